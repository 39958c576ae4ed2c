// One option of a training as a form field, drawn from its JSON schema.
import { number } from "../format.js";
import { html } from "../html.js";
import { Field } from "../parts/field.js";

/** @typedef {{type?: string, enum?: string[], const?: string, minimum?: number, maximum?: number, exclusiveMinimum?: number,
 *   exclusiveMaximum?: number, multipleOf?: number, default?: unknown, description?: string, anyOf?: any[]}} Schema */

/**
 * @param {{name: string, schema: Schema, value: string, error?: string, onChange: (value: string) => void}} props
 */
export function OptionField({ name, schema, value, error, onChange }) {
  const kinds = kindsOf(schema);
  const change = (/** @type {any} */ event) => onChange(event.target.value);
  const choices = kinds.flatMap((one) => one.enum || []);
  const isSwitch = kinds.some((one) => one.type === "boolean");
  const hint = [schema.description, rangeOf(kinds)].filter(Boolean).join(" ");
  return html`<${Field} label=${title(name)} hint=${hint} error=${error}>
    ${(/** @type {any} */ attributes) =>
      choices.length || isSwitch
        ? html`<select ...${attributes} value=${value} onChange=${change}>
            <option value="">${emptyText(schema)}</option>
            ${(isSwitch ? ["true", "false"] : choices).filter((one) => one !== String(schema.default)).map((one) => html`<option value=${one} selected=${one === value}>${shown(one)}</option>`)}
          </select>`
        : html`<input
            ...${attributes}
            type="text"
            inputmode=${kinds.some((one) => one.type === "integer" || one.type === "number") ? "decimal" : undefined}
            autocomplete="off"
            placeholder=${emptyText(schema)}
            value=${value}
            onInput=${change}
          />`}
  <//>`;
}

/** What was typed, as the service takes it; what is no number is sent as it is, and refused with a reason. @param {Schema} schema @param {string} text */
export function readOption(schema, text) {
  const kinds = kindsOf(schema);
  if (kinds.some((one) => one.type === "boolean")) return text === "true";
  if (kinds.some((one) => one.type === "array")) return text.split(/[\s,]+/).filter(Boolean).map(asNumber);
  return kinds.some((one) => one.type === "integer" || one.type === "number") ? asNumber(text) : text;
}

/** @param {string} text */
const asNumber = (text) => (Number.isNaN(Number(text)) ? text : Number(text));
/** @param {Schema} schema @returns {Schema[]} */
const kindsOf = (schema) => (schema.anyOf || [schema]).filter((one) => one.type !== "null");
/** @param {string} name */
const title = (name) => (name === "n_bits" ? "Bits" : shown(name[0].toUpperCase() + name.slice(1)));
/** @param {string} text */
const shown = (text) => text.replaceAll("_", " ");

/** @param {Schema} schema */
function emptyText(schema) {
  return schema.default === undefined || schema.default === null ? "automatic" : shown(String(schema.default));
}

/** @param {Schema[]} kinds */
function rangeOf(kinds) {
  const one = kinds.find((kind) => kind.type === "integer" || kind.type === "number");
  if (!one) return kinds.some((kind) => kind.type === "array") ? "Numbers, with commas." : "";
  const low = one.minimum ?? one.exclusiveMinimum;
  const high = one.maximum ?? one.exclusiveMaximum;
  if (low === undefined || high === undefined) return "";
  const step = one.multipleOf ? `, in steps of ${one.multipleOf}` : "";
  const or = kinds.some((kind) => kind.const) ? `, or ${kinds.find((kind) => kind.const)?.const}` : "";
  return `${one.exclusiveMinimum === undefined ? "" : "above "}${number(low)} to ${one.exclusiveMaximum === undefined ? "" : "below "}${number(high)}${step}${or}.`;
}
