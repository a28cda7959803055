// RFC 3339 times as our documents write them: whole seconds, `T`, and `Z` or an offset.

import { TIME_MAX } from "./agreed.js";
import { Invalid } from "./bytes.js";

const CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
const TIME = new RegExp(`^([0-9]{4}-[0-9]{2}-[0-9]{2})T${CLOCK}:[0-5][0-9](?:Z|[+-]${CLOCK})$`);
const DAY = /^(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}$/;
const TIME_MIN = Date.parse("0001-01-01T00:00:00Z") / 1000;

/** Whether a text is a day that the calendar has, YYYY-MM-DD: some engines read 30 February as 2 March. */
export function isDay(text) {
  const found = DAY.test(text) ? new Date(`${text}T00:00:00Z`) : new Date(NaN);
  return !Number.isNaN(found.getTime()) && found.toISOString().slice(0, 10) === text;
}

/** Unix seconds of such a time; throws Invalid for any other text. */
export function seconds(text) {
  const found = typeof text === "string" ? TIME.exec(text) : null;
  if (!found || !isDay(found[1])) throw new Invalid("not a time");
  return Date.parse(text) / 1000;
}

/** The other way round, in UTC; throws Invalid outside the years 1 to 9999. */
export function timeText(unix) {
  if (!(unix >= TIME_MIN && unix <= TIME_MAX)) throw new Invalid("a time outside the years 1 to 9999");
  return new Date(unix * 1000).toISOString().replace(".000Z", "Z");
}
