// The words of the page in its language, and how durations, days and moments are written in it.

// Every region that issues proofs is eight hours ahead of UTC.
const ZONE_MINUTES = 8 * 60;

export class Texts {
  constructor(found, language) {
    this.found = found;
    this.language = language;
  }

  /** The text of a key with its places filled in; the key itself when there is none. */
  get(key, values = {}) {
    return (this.found[key] ?? key).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
  }

  has(key) {
    return key in this.found;
  }

  duration(minutes) {
    const hours = Math.floor(minutes / 60);
    const parts = [];
    if (hours || minutes % 60 === 0) parts.push(this.get("minutes.hours", { hours: hours.toLocaleString("en") }));
    if (minutes % 60) parts.push(this.get("minutes.minutes", { minutes: minutes % 60 }));
    return parts.join(" ");
  }

  day(text) {
    return this.get("date.day", parts(text));
  }

  /** From one day to another, what they share said once; or the one day. */
  period(first, last) {
    if (first === last) return this.day(first);
    const [start, end] = [parts(first), parts(last)];
    if (start.year !== end.year) return this.get("date.period", { first: this.day(first), last: this.day(last) });
    const ending = { last_month: end.month, last_day: end.day, last_name: end.name };
    return this.get(start.month === end.month ? "date.month" : "date.year", { ...start, ...ending });
  }

  moment(text) {
    const local = new Date(Date.parse(text) + ZONE_MINUTES * 60_000).toISOString();
    return this.get("date.moment", { day: this.day(local.slice(0, 10)), time: local.slice(11, 16) });
  }
}

function parts(text) {
  const [year, month, day] = text.split("-").map(Number);
  const name = new Date(Date.UTC(year, month - 1, day)).toLocaleString("en", { month: "long", timeZone: "UTC" });
  return { year, month, day, name };
}

/** The texts of the page's language, from the file that lies beside these scripts. */
export async function loadTexts() {
  const { lang } = document.documentElement;
  const answer = await fetch(new URL(`../texts/${lang}.json`, import.meta.url));
  return new Texts(await answer.json(), lang);
}
