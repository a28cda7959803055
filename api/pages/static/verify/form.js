// Whether a value has the form of one of our documents: as much of JSON Schema 2020-12 as agreed.js uses.

import { FORMS } from "./agreed.js";
import { Invalid } from "./bytes.js";

/** Throw Invalid, naming the place, unless the value has the form of that name. */
export const checkForm = (name, value) => check(FORMS[name], value, "");

const KINDS = {
  array: Array.isArray,
  boolean: (value) => typeof value === "boolean",
  integer: Number.isSafeInteger,
  object: (value) => value !== null && typeof value === "object" && !Array.isArray(value),
  string: (value) => typeof value === "string",
};

function check(schema, value, place) {
  if (schema.$ref) return check(FORMS[schema.$ref], value, place);
  if (schema.discriminator) return check(chosen(schema.discriminator, value, place), value, place);
  if (schema.enum && !schema.enum.includes(value)) throw new Invalid(`not one of the values of ${place}`);
  if (schema.type && !KINDS[schema.type](value)) throw new Invalid(`no ${schema.type} at ${place || "/"}`);
  if (typeof value === "string") checkText(schema, value, place);
  if (typeof value === "number") checkNumber(schema, value, place);
  if (schema.type === "array") checkItems(schema, value, place);
  if (schema.type === "object") checkMembers(schema, value, place);
}

// Of several forms, the one that a member names.
function chosen({ propertyName, mapping }, value, place) {
  const name = KINDS.object(value) ? value[propertyName] : undefined;
  if (typeof name !== "string" || !Object.hasOwn(mapping, name)) throw new Invalid(`an unknown kind of ${place}`);
  return FORMS[mapping[name]];
}

function checkText({ maxLength = Infinity, pattern = "" }, text, place) {
  if (text.length > maxLength && [...text].length > maxLength) throw new Invalid(`too long a text at ${place}`);
  if (!new RegExp(pattern, "u").test(text)) throw new Invalid(`another text than ${place} has`);
}

function checkNumber({ minimum = -Infinity, maximum = Infinity, exclusiveMaximum = Infinity }, number, place) {
  if (number < minimum || number > maximum || number >= exclusiveMaximum)
    throw new Invalid(`a number out of bounds at ${place}`);
}

function checkItems({ minItems = 0, maxItems = Infinity, prefixItems = [], items }, found, place) {
  if (found.length < minItems || found.length > maxItems) throw new Invalid(`too few or too many items at ${place}`);
  found.forEach((item, at) => {
    const schema = prefixItems[at] ?? items;
    if (schema) check(schema, item, `${place}/${at}`);
  });
}

function checkMembers({ properties = {}, required = [], additionalProperties = {} }, found, place) {
  const missing = required.find((name) => !Object.hasOwn(found, name));
  if (missing !== undefined) throw new Invalid(`the member ${missing} of ${place || "/"} is missing`);
  for (const [name, value] of Object.entries(found)) {
    const known = Object.hasOwn(properties, name);
    if (!known && additionalProperties === false) throw new Invalid(`an unknown member of ${place || "/"}`);
    check(known ? properties[name] : additionalProperties, value, `${place}/${name}`);
  }
}
