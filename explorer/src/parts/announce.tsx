import { useSyncExternalStore } from "react";

let said = "";
const listeners = new Set<() => void>();

/** Has a screen reader say something short, such as what a button did. */
export function announce(text: string): void {
  // The same again is said again.
  said = said === text ? `${text}\u00a0` : text;
  for (const listener of listeners) listener();
}

/** The one place of the page that screen readers read out as it changes. */
export function Announcements() {
  const text = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => said,
  );
  return (
    <div role="status" className="unseen">
      {text}
    </div>
  );
}
