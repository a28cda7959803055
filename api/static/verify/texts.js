// The words of the page in its language, and how durations, days and moments are written in it.

const MINUTES_A_DAY_OFF = 8 * 60;

export class Texts {
  constructor(found) {
    this.found = found;
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
    const [year, month, day] = text.split("-").map(Number);
    const name = new Date(Date.UTC(year, month - 1, day)).toLocaleString("en", { month: "long", timeZone: "UTC" });
    return this.get("date.day", { year, month, day, name });
  }

  period(first, last) {
    return first === last ? this.day(first) : this.get("date.period", { first: this.day(first), last: this.day(last) });
  }

  moment(text) {
    const local = new Date(Date.parse(text) + MINUTES_A_DAY_OFF * 60_000).toISOString();
    return this.get("date.moment", { day: this.day(local.slice(0, 10)), time: local.slice(11, 16) });
  }
}

/** The texts of the page's language, from the file that lies beside these scripts. */
export async function loadTexts() {
  const answer = await fetch(new URL(`../texts/${document.documentElement.lang}.json`, import.meta.url));
  return new Texts(await answer.json());
}
