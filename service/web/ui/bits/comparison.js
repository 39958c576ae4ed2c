// Two documents side by side: the bits in which they differ, and the words that made each so.
import { codeOf, counted } from "../format.js";
import { html, useState } from "../html.js";
import { CodeStrip } from "../parts/code_strip.js";
import { Table } from "../parts/table.js";
import { Tag } from "../parts/tag.js";
import { setParams } from "../router.js";

const FEW = 12;

/** @param {{compared: any}} props */
export function Comparison({ compared }) {
  const [all, setAll] = useState(false);
  const { a, b, differing, agreeing, words } = compared;
  const codes = codesOf([...differing, ...agreeing]);
  const shown = all ? differing : differing.slice(0, FEW);
  const columns = [
    { title: "Bit", isHead: true, cell: (/** @type {any} */ one) => html`<button type="button" class="link" onClick=${() => setParams({ bit: one.bit }, { replace: true })}>${one.bit}</button>` },
    { title: a.title || a.id, cell: (/** @type {any} */ one) => html`<${Cell} value=${one.a} words=${one.words_a} confidence=${one.confidence_a} />` },
    { title: b.title || b.id, cell: (/** @type {any} */ one) => html`<${Cell} value=${one.b} words=${one.words_b} confidence=${one.confidence_b} />` },
  ];
  return html`<section class="card stack bits-compared" aria-label="Side by side">
    <h2>Side by side: ${counted(differing.length, "bit differs", "bits differ")}</h2>
    <dl class="bits-strips">
      <dt>${a.title || a.id}</dt><dd><${CodeStrip} code=${codes.a} against=${codes.b} /></dd>
      <dt>${b.title || b.id}</dt><dd><${CodeStrip} code=${codes.b} against=${codes.a} /></dd>
    </dl>
    ${words.length > 0 && html`<p>Both say ${words.slice(0, FEW).map((/** @type {any} */ one, /** @type {number} */ at) => html`${at > 0 && ", "}<b>${one.a}</b>`)}.</p>`}
    ${words.length === 0 && html`<p class="hint">They have no word in common.</p>`}
    ${differing.length > 0 && html`<${Table} caption="Bits that differ, the surest first, with the words that made them so" columns=${columns} rows=${shown} rowKey=${(/** @type {any} */ one) => one.bit} />`}
    ${differing.length > FEW && html`<button type="button" class="link" aria-expanded=${all} onClick=${() => setAll(!all)}>${all ? "Fewer" : `All ${differing.length}`}</button>`}
  </section>`;
}

/** @param {{value: number, words: [string, number][], confidence: number}} props */
function Cell({ value, words, confidence }) {
  return html`<${Tag} tone=${value ? "accent" : "plain"}>${value}<//> ${words.map(([word]) => word).join(", ") || html`<span class="soft">no single word</span>`}
    ${confidence < 0.1 && html`<span class="hint"> (unsure)</span>`}`;
}

/** @param {any[]} bits */
function codesOf(bits) {
  const sorted = [...bits].sort((one, other) => one.bit - other.bit);
  return { a: codeOf(sorted.map((one) => one.a)), b: codeOf(sorted.map((one) => one.b)) };
}
