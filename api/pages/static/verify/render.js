// What a check came to, as elements of the page: the same shapes as the server's templates (templates/parts.html).
//
// Text from outside is only ever set as text, in <bdi>.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  check: ["path", { d: "M5 12.5l4.6 4.6L19 7.4" }],
  cross: ["path", { d: "M6.5 6.5l11 11M17.5 6.5l-11 11" }],
  ban: ["path", { d: "M6.8 6.8l10.4 10.4M19.6 12a7.6 7.6 0 1 1-15.2 0 7.6 7.6 0 0 1 15.2 0z" }],
  clock: ["path", { d: "M12 7.6V12l3.2 2.2M19.8 12a7.8 7.8 0 1 1-15.6 0 7.8 7.8 0 0 1 15.6 0z" }],
  question: ["path", { d: "M8.6 9.2a3.5 3.5 0 1 1 5 3.1c-1.1.6-1.6 1.2-1.6 2.5M12 18.2v.1" }],
  dash: ["path", { d: "M7 12h10" }],
};
const OUTCOME_ICONS = {
  valid: "check",
  revoked: "ban",
  expired: "clock",
  "status-unknown": "question",
  invalid: "cross",
};
const RESULT_ICONS = { passed: "check", failed: "cross", unknown: "question", skipped: "dash" };

/** An element with attributes and children; strings become text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Text from outside: its direction ends with it. */
export const outside = (text, lang) => element("bdi", lang ? { lang } : {}, String(text));

function icon(name) {
  const made = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" })) {
    made.setAttribute(key, value);
  }
  const [shape, attributes] = ICONS[name];
  const path = document.createElementNS(SVG, shape);
  for (const [key, value] of Object.entries(attributes)) path.setAttribute(key, value);
  made.append(path);
  return made;
}

/** One line that is good or bad news. */
export function note(text, good) {
  const kind = good ? "good" : "bad";
  const role = good ? "status" : "alert";
  return element(
    "p",
    { class: `note note-${kind}`, role, tabindex: "-1" },
    icon(good ? "check" : "cross"),
    ` ${text}`,
  );
}

/** As big as an answer, above it: the code in the reader's hands is not to be believed, whatever the page says. */
export function alarm(text, texts) {
  return element(
    "section",
    { class: "answer answer-invalid", id: "alarm", role: "alert", tabindex: "-1" },
    element("span", { class: "stamp" }, icon("cross")),
    element("p", { class: "word" }, texts.get("js.code.word")),
    element("div", { class: "told" }, element("p", {}, text)),
  );
}

/** The big answer. */
export function answer(verdict, texts) {
  const { outcome } = verdict;
  const role = outcome === "valid" ? "status" : "alert";
  return element(
    "section",
    { class: `answer answer-${outcome}`, id: "answer", role, tabindex: "-1" },
    element("span", { class: "stamp" }, icon(OUTCOME_ICONS[outcome])),
    element("p", { class: "word" }, texts.get(`outcome.${outcome}`)),
    element("div", { class: "told" }, element("p", {}, explanation(verdict, texts))),
  );
}

// As verdicts.explanation of the server says it.
function explanation({ outcome, steps: taken, asOf }, texts) {
  if (outcome === "status-unknown" && asOf) return texts.get("explanation.as_of", { date: texts.moment(asOf) });
  const skipped = taken.some((step) => step.result === "skipped");
  return texts.get(outcome === "valid" && skipped ? "explanation.signed" : `explanation.${outcome}`);
}

/** The numbered steps. */
export function steps(verdict, texts) {
  return element("ol", { class: "steps" }, ...verdict.steps.map((step) => stepItem(step, verdict.format, texts)));
}

function stepItem({ number, code, result, detail, note: more }, format, texts) {
  const notAsked = result === "skipped" && (code !== "evidence" || format === "vc");
  const key = notAsked ? "finding.skipped" : `finding.${code}.${result}`;
  const lines = [
    element(
      "p",
      {},
      element("strong", {}, `${number}. ${texts.get(`step.${code}`)}`),
      element("span", { class: "result" }, texts.get(`result.${result}`)),
    ),
  ];
  if (texts.has(key)) lines.push(element("p", { class: "finding" }, texts.get(key)));
  if (more) lines.push(element("p", { class: "finding" }, texts.get(more)));
  if (detail) lines.push(element("p", { class: "detail", lang: "en" }, outside(detail)));
  return element(
    "li",
    { class: `step step-${result}`, value: number },
    element("span", { class: "mark" }, icon(RESULT_ICONS[result])),
    element("div", {}, ...lines),
  );
}
