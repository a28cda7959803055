// RFC 3339 times as our documents write them: whole seconds, `T`, and `Z` or an offset.

import { Invalid } from "./bytes.js";

const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})$/;

/** Unix seconds of such a time. */
export function seconds(text) {
  const found = typeof text === "string" && TIME.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(found)) throw new Invalid("not a time");
  return found / 1000;
}

/** The other way round, in UTC. */
export const timeText = (unix) => new Date(unix * 1000).toISOString().replace(".000Z", "Z");
