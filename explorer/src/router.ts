import type { BaseLocationHook, BaseSearchHook } from "wouter";
import { useBrowserLocation, useSearch } from "wouter/use-browser-location";

// The router decodes addresses before it takes them apart, so that a file id with % or / in it would come out as another. What it
// decodes here gives the address as it stands; whoever wants a part decodes that, once.

function undecoded(text: string): string {
  return text.replaceAll("%", "%25");
}

export const useRawLocation: BaseLocationHook = () => {
  const [path, navigate] = useBrowserLocation();
  return [undecoded(path), navigate];
};

export const useRawSearch: BaseSearchHook = () => undecoded(useSearch());

/** What a part of an address stands for; itself where it was not encoded. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
