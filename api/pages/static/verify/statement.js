// What a proof states, as elements of the page: the same shapes as the server's templates (templates/parts.html).

import { element, outside } from "./render.js";

const KINDS = { valid: "certificate", "status-unknown": "certificate unsure" };
const MOST_STARS = 5;

/** What is stated, and by whom; nothing of what is not valid. */
export function statement(verdict, texts) {
  if (verdict.outcome === "invalid") return [];
  const { statement: stated, format, outcome } = verdict;
  const written = /^8[12]/.test(stated.region) ? "zh-Hant" : "zh-Hans"; // Hong Kong and Macau
  const title = texts.get(format === "code" ? "stated.code" : "stated.title");
  const parts = [element("h2", { id: "stated-title" }, title)];
  if (format === "code") parts.push(ofCode(stated, texts));
  else parts.push(...(stated.kind === "star" ? ofStar : ofService)(stated, written, texts));
  parts.push(facts(verdict, texts));
  const kind = KINDS[outcome] ?? "certificate void";
  return [element("section", { class: kind, "aria-labelledby": "stated-title" }, ...parts)];
}

// -- of each kind ---------------------------------------------------------------------------------

function ofCode(stated, texts) {
  const members = [hours(stated.minutes, texts), ...period(stated, texts)];
  if (stated.level !== undefined) members.push(labelled(texts.get("stated.star"), stars(stated.level)));
  return element("div", { class: "headline" }, ...members);
}

function ofStar(stated, written, texts) {
  const head = element(
    "div",
    { class: "headline" },
    element("div", {}, ...level(stated.star, texts)),
    labelled(texts.get("stated.day"), element("span", {}, texts.day(stated.day))),
  );
  const lines = texts.language === "en" ? stated.explanation_en : stated.explanation;
  const items = lines.map((line) => element("li", {}, outside(line)));
  return [head, heading("stated.explanation", texts), element("ul", { class: "explanation" }, ...items)];
}

function ofService(stated, written, texts) {
  const { categories, filter, grades, minutes, note, star } = stated;
  const parts = [element("div", { class: "headline" }, hours(minutes, texts), ...period(stated, texts))];
  if (star) parts.push(element("div", { class: "starred" }, heading("stated.star", texts), ...level(star, texts)));
  if (filter) parts.push(element("p", { class: "note" }, texts.get("stated.filter")));
  const bothSums = [sums("category", categories, texts), sums("evidence", grades, texts)];
  parts.push(table(stated, written, texts), element("div", { class: "sums" }, ...bothSums));
  if (note) parts.push(heading("stated.note", texts), element("p", { class: "said" }, outside(note, written)));
  return parts;
}

// -- their parts ----------------------------------------------------------------------------------

const heading = (key, texts) => element("h3", {}, texts.get(key));

const labelled = (label, value) => element("p", {}, element("span", { class: "label" }, label), " ", value);

const hours = (minutes, texts) =>
  labelled(texts.get("stated.minutes"), element("strong", { class: "hours" }, texts.duration(minutes)));

function period({ kind, first, last, entries }, texts) {
  if (kind === "star") return [labelled(texts.get("stated.day"), element("span", {}, texts.day(last)))];
  return [
    labelled(texts.get("stated.period"), element("span", {}, texts.period(first, last))),
    labelled(texts.get("stated.entries"), element("span", {}, entries.toLocaleString("en"))),
  ];
}

const stars = (number) => element("span", { class: "stars" }, "★".repeat(Math.min(number, MOST_STARS)));

function level(star, texts) {
  const title = outside(texts.language === "en" ? star.title_en : star.title);
  const rests = texts.get("stated.star.rests", { duration: texts.duration(star.minutes), scheme: star.scheme });
  return [element("p", { class: "star" }, stars(star.level), " ", title), element("p", { class: "small" }, rests)];
}

function sums(group, parts, texts) {
  const items = parts.map((one) =>
    element(
      "div",
      {},
      element("dt", {}, texts.get(`${group}.${one[group]}`)),
      element("dd", {}, texts.duration(one.minutes)),
    ),
  );
  const title = heading(group === "category" ? "stated.categories" : "stated.grades", texts);
  return element("section", {}, title, element("dl", {}, ...items));
}

function table(stated, written, texts) {
  const heads = ["stated.activity", "stated.organisation", "stated.dates", "stated.time"];
  const head = element("tr", {}, ...heads.map((key) => element("th", { scope: "col" }, texts.get(key))));
  head.lastElementChild.className = "number";
  const rows = stated.lines.map((line) => row(line, written, texts));
  if (stated.others) {
    const { activities, minutes } = stated.others;
    rows.push(sumRow(texts.get("stated.others", { activities }), minutes, texts));
  }
  return element(
    "table",
    { class: "lines" },
    element("caption", {}, texts.get("stated.lines")),
    element("thead", {}, head),
    element("tbody", {}, ...rows),
    element("tfoot", {}, sumRow(texts.get("stated.total"), stated.minutes, texts)),
  );
}

const cell = (key, value, texts) => element("td", { "data-label": texts.get(key) }, value);

function sumRow(name, minutes, texts) {
  const last = cell("stated.time", texts.duration(minutes), texts);
  last.className = "number";
  return element("tr", {}, element("th", { scope: "row" }, name), element("td"), element("td"), last);
}

function row(line, written, texts) {
  const made = sumRow(outside(line.activity_name, written), line.minutes, texts);
  const [name, organisation, dates] = made.children;
  name.append(
    element("span", { class: "content" }, outside(line.content, written)),
    element("span", { class: "tag" }, texts.get(`category.${line.category}`)),
  );
  organisation.replaceWith(cell("stated.organisation", outside(line.organisation_name, written), texts));
  dates.replaceWith(cell("stated.dates", texts.period(line.first, line.last), texts));
  return made;
}

function facts(verdict, texts) {
  const members = [
    ["proof.issuer", outside(verdict.issuer)],
    ["proof.issued", texts.moment(verdict.issued)],
    ["proof.number", element("span", { class: "code" }, verdict.proof)],
  ];
  if (verdict.asOf) members.push(["proof.as_of", texts.moment(verdict.asOf)]);
  const items = members.map(([key, value]) =>
    element("div", {}, element("dt", {}, texts.get(key)), element("dd", {}, value)),
  );
  return element("dl", { class: "facts" }, ...items);
}
