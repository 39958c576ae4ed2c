// A text that is cut after some lines, with a way to read it whole.
import { html, useState } from "../html.js";

const CHARS_A_LINE = 90;

/** A text in one paragraph, as a short piece of it is shown. @param {string} text */
export const flowing = (text) => text.replace(/\s+/g, " ").trim();

/** @param {{text: string, lines?: number}} props */
export function LongText({ text, lines = 3 }) {
  const [isOpen, setOpen] = useState(false);
  const isLong = text.length > lines * CHARS_A_LINE;
  if (!isLong && !isOpen) return html`<p class="long-text">${flowing(text)}</p>`;
  const shown = isOpen ? text : flowing(text).slice(0, lines * CHARS_A_LINE * 2);
  return html`<div>
    <p class=${`long-text ${isOpen ? "" : `cut cut-${lines}`}`}>${shown}</p>
    <button type="button" class="link" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? "Less" : "More"}</button>
  </div>`;
}
