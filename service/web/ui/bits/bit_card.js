// What is behind one bit: how many have it, the words that part ones from zeros, typical documents, and what goes with it.
import { number, percent } from "../format.js";
import { html } from "../html.js";
import { Tag } from "../parts/tag.js";
import { href, setParams } from "../router.js";

/**
 * @param {{collection: string, bit: number, value: number, meaning: any, busy: boolean, own: any, ones: number | undefined, n: number | undefined}} props
 *   `own`: the bit of the text or document that is looked at
 */
export function BitCard({ collection, bit, value, meaning, busy, own, ones, n }) {
  return html`<section class="card stack bits-card" aria-label=${`Bit ${bit}`}>
    <div class="row">
      <h2>Bit ${bit}</h2>
      <${Tag} tone="accent">${value ? "one" : "zero"} here<//>
      ${own && html`<span class="hint">${percent(own.confidence)} as sure as the surest</span>`}
    </div>
    ${own?.words.length > 0 &&
    html`<p>Because of ${own.words.map((/** @type {any} */ [word], /** @type {number} */ at) => html`${at > 0 && ", "}<b>${word}</b>`)}.</p>`}
    ${ones !== undefined && n
      ? html`<p class="hint">${number(ones)} of ${number(n)} documents have a one: ${percent(ones / n, 1)}.</p>`
      : null}
    ${!meaning && busy && html`<p class="hint">The words behind the bits are being read: that takes some seconds, once.</p>`}
    ${meaning &&
    html`<div class="bits-sides">
        <${Side} collection=${collection} title="Ones" side=${meaning.ones} isHere=${value === 1} />
        <${Side} collection=${collection} title="Zeros" side=${meaning.zeros} isHere=${value === 0} />
      </div>
      <${Correlated} list=${meaning.correlated} />`}
  </section>`;
}

/** @param {{collection: string, title: string, side: any, isHere: boolean}} props */
function Side({ collection, title, side, isHere }) {
  return html`<div class=${`bits-side ${isHere ? "here" : ""}`}>
    <h3>${title}</h3>
    <p>${side.words.join(", ") || html`<span class="soft">no words part them</span>`}</p>
    <ul>
      ${side.documents.map(
        (/** @type {any} */ one) => html`<li key=${one.id}><a href=${href(collection, "bits", { id: one.id })}>${one.title || one.id}</a></li>`,
      )}
    </ul>
  </div>`;
}

/** @param {{list: [number, number][]}} props */
function Correlated({ list }) {
  if (list.length === 0) return html`<p class="hint">No other bit goes with it.</p>`;
  return html`<div class="row bits-correlated">
    <span class="hint">Goes with</span>
    ${list.map(
      ([bit, correlation]) => html`<button key=${bit} type="button" onClick=${() => setParams({ bit }, { replace: true })}>
        bit ${bit} <span class="soft">${correlation > 0 ? "+" : "−"}${Math.abs(correlation).toFixed(2)}</span>
      </button>`,
    )}
  </div>`;
}
