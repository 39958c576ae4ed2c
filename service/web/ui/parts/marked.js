// A text with some of its characters marked. Positions count characters as Python does, not the units of JavaScript.
import { html } from "../html.js";

/** @param {{text: string, marks?: [number, number][]}} props */
export function Marked({ text, marks = [] }) {
  const characters = [...text];
  const parts = [];
  let end = 0;
  for (const [from, to] of marks) {
    parts.push(characters.slice(end, from).join(""), html`<mark>${characters.slice(from, to).join("")}</mark>`);
    end = to;
  }
  parts.push(characters.slice(end).join(""));
  return html`<${"span"}>${parts}<//>`;
}
