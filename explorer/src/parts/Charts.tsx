import "uplot/dist/uPlot.min.css";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { PURPOSES, type Purpose, type Statistics, type Volume } from "../shapes.ts";
import { exactTime } from "../format.ts";
import { useTokens } from "../shared.tsx";
import { Amount, tokenName } from "./Shown.tsx";
import { Table } from "./Table.tsx";

/** Of an hour by the clock, by purpose. */
interface Bar {
  hour: number;
  values: Record<Purpose, number>;
}

const HOUR_MS = 3_600_000;
/** As many hours are shown at least, so that a new chain's chart has bars and no blocks. */
const HOURS_MIN = 12;

/** Payments and volume by hour and purpose; the figures themselves stand in a table beside the pictures. */
export default function Charts({ statistics }: { statistics: Statistics }) {
  const tokens = useTokens();
  const moved = [...new Set(statistics.purposes.map(({ token }) => token))];
  const [chosen, choose] = useState<string | null>(null);
  const token = chosen ?? moved[0] ?? null;
  const scale = 10 ** (tokens?.get(token ?? "")?.decimals ?? 0);
  if (statistics.hours.length === 0 || tokens === null) return null;
  return (
    <>
      <h2>By hour and purpose</h2>
      <ul className="legend" aria-label="Colours of the purposes">
        {PURPOSES.map((purpose) => (
          <li key={purpose}>
            <span aria-hidden="true" className={`swatch ${purpose}`} /> {purpose}
          </li>
        ))}
      </ul>
      <div className="charts">
        <figure>
          <figcaption>Payments, each once for every token it moves</figcaption>
          <Bars bars={barsOf(statistics, ({ count }) => count)} />
        </figure>
        {token === null ? null : (
          <figure>
            <figcaption>
              <label>
                Volume of{" "}
                <select value={token} onChange={({ target }) => choose(target.value)}>
                  {moved.map((each) => (
                    <option key={each} value={each}>
                      {tokenName(each, tokens)}
                    </option>
                  ))}
                </select>
              </label>
            </figcaption>
            <Bars bars={barsOf(statistics, (volume) => (volume.token === token ? Number(volume.volume) / scale : 0))} />
          </figure>
        )}
      </div>
      <details>
        <summary>The same in figures</summary>
        <Table
          caption="Payments and volume by hour and purpose"
          items={statistics.hours.flatMap(({ hour, purposes }) => purposes.map((volume) => ({ hour, ...volume })))}
          keyOf={({ hour, purpose, token: of }) => `${hour} ${purpose} ${of}`}
          columns={[
            { name: "Hour", of: ({ hour }) => exactTime(hour) },
            { name: "Purpose", of: ({ purpose }) => purpose },
            { name: "Payments", of: ({ count }) => count.toLocaleString("en"), end: true },
            { name: "Volume", of: ({ volume, token: of }) => <Amount amount={volume} token={of} />, end: true },
          ]}
        />
      </details>
    </>
  );
}

/** Every hour from the oldest to now, those without payments too. */
function barsOf({ hours }: Statistics, valueOf: (volume: Volume) => number): Bar[] {
  const known = new Map(hours.map(({ hour, purposes }) => [hour, purposes]));
  const newest = Math.max(...known.keys());
  const oldest = Math.min(...known.keys(), newest - (HOURS_MIN - 1) * HOUR_MS);
  const bars: Bar[] = [];
  for (let hour = oldest; hour <= newest; hour += HOUR_MS) {
    const values: Bar["values"] = { transfer: 0, upload: 0, extension: 0, purchase: 0, swap: 0 };
    for (const volume of known.get(hour) ?? []) values[volume.purpose] += valueOf(volume);
    bars.push({ hour, values });
  }
  return bars;
}

const HEIGHT = 220;

function Bars({ bars }: { bars: Bar[] }) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const data = stacked(bars);
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = place.current as HTMLDivElement;
    const draw = (): void => {
      chart.current?.destroy();
      chart.current = new uPlot(optionsOf(element), latest.current, element);
    };
    draw();
    const resized = new ResizeObserver(() => chart.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    // Its colours are drawn, not styled.
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    window.addEventListener("themechange", draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", draw);
      window.removeEventListener("themechange", draw);
      chart.current?.destroy();
      chart.current = null;
    };
  }, []);
  useEffect(() => chart.current?.setData(data));

  return <div ref={place} className="chart" aria-hidden="true" />;
}

/** Each purpose's bar reaches over those below it; the highest is drawn first. */
function stacked(bars: Bar[]): uPlot.AlignedData {
  const below = bars.map(() => 0);
  const rows = PURPOSES.map((purpose) => bars.map(({ values }, i) => (below[i] = (below[i] ?? 0) + values[purpose])));
  return [bars.map(({ hour }) => hour / 1000), ...rows.reverse()];
}

function optionsOf(element: HTMLElement): uPlot.Options {
  const style = getComputedStyle(element);
  // Of a pair of colours, the one that holds here.
  const colour = (name: string): string => {
    element.style.color = `var(--${name})`;
    return style.color;
  };
  const axis: uPlot.Axis = {
    stroke: colour("muted"),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1 },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, max) => [0, Math.max(max, 1)] } },
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map(short) }],
    series: [
      {},
      ...PURPOSES.toReversed().map((purpose): uPlot.Series => ({
        label: purpose,
        fill: colour(purpose),
        stroke: colour(purpose),
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars?.({ size: [0.8, 40] }) ?? (() => null),
      })),
    ],
  };
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });

/** Above this, words for thousands no longer help. */
const COMPACT_MAX = 1e15;

function short(value: number): string {
  return value < COMPACT_MAX ? COMPACT.format(value) : value.toExponential(0);
}
