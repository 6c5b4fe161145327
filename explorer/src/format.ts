/** An amount of the smallest unit as people read it: every digit there is, no float. */
export function formatUnits(amount: string, decimals: number): string {
  const negative = amount.startsWith("-");
  const digits = (negative ? amount.slice(1) : amount).padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const rest = decimals === 0 ? "" : digits.slice(-decimals).replace(/0+$/, "");
  return `${negative ? "−" : ""}${whole}${rest === "" ? "" : `.${rest}`}`;
}

export function shorten(hex: string): string {
  return `${hex.slice(0, 6)}…${hex.slice(-4)}`;
}

/** How long ago, or how long until, in one word and a half. */
export function ago(milliseconds: number, now: number): string {
  const seconds = Math.round(Math.abs(now - milliseconds) / 1000);
  const [value, unit] =
    seconds < 60
      ? [seconds, "s"]
      : seconds < 3_600
        ? [Math.floor(seconds / 60), "min"]
        : seconds < 172_800
          ? [Math.floor(seconds / 3_600), "h"]
          : [Math.floor(seconds / 86_400), "days"];
  return milliseconds <= now ? `${value} ${unit} ago` : `in ${value} ${unit}`;
}

/** In UTC, to the second; a time that no calendar has is far away. */
export function exactTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return "after the end of the calendar";
  return date
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " UTC");
}

/** What is left, to the second. */
export function countdown(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor((seconds % 86_400) / 3_600)];
  const two = (value: number): string => String(value).padStart(2, "0");
  const rest = `${two(Math.floor((seconds % 3_600) / 60))}:${two(seconds % 60)}`;
  if (days > 0) return `${days} d ${two(hours)}:${rest}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** As a field for date and time takes it, in the reader's own time; empty for what is no time. */
export function localTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(milliseconds - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
