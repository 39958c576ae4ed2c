// Why a match is a match: its score in parts, the words that matched, and the bits that agree.
import { useCall } from "../../calls.js";
import { counted, percent } from "../../format.js";
import { html } from "../../html.js";
import { Bars } from "../../parts/bars.js";

const N_STRONGEST = 4;
const MOST_EXPLAINED = 100;

/** @param {{call: import("../../api.js").Call, id: string, asked: import("../search.js").Asked, code: string}} props */
export function Why({ call, id, asked }) {
  const params = { ...call.params, facets: null, explain: true, k: Math.min(MOST_EXPLAINED, asked.k) };
  const { data } = useCall({ ...call, params });
  const match = data?.matches.find((/** @type {any} */ one) => one.id === id);
  if (!match?.explain) return html`<p class="loading">Looking …</p>`;
  const { parts, words, agreeing, differing, strongest } = match.explain;
  const isUnsure = agreeing.some((/** @type {any} */ bit) => bit.confidence < 1);
  return html`<section class="why" aria-label="Why">
    <${Words} words=${words} parts=${parts} query=${asked.q} />
    <div class="why-bits">
      <h3>${counted(agreeing.length, "bit agrees", "bits agree")}, ${counted(differing.length, "differs", "differ")}</h3>
      <${AgreementStrip} agreeing=${agreeing} differing=${differing} />
      <p class="hint">Filled: a one. Hollow: a zero. Orange: the query has the other.${isUnsure && " Faint: the query is not sure of it."}</p>
    </div>
    ${strongest?.length > 0 && html`<${Strongest} bits=${strongest.slice(0, N_STRONGEST)} />`}
  </section>`;
}

/** @param {{words: any[], parts: Record<string, number>, query: string}} props */
function Words({ words, parts, query }) {
  if (words.length === 0) {
    return html`<div><h3>Found by its code alone</h3><p class="hint">${query ? "It has none of the words." : "What lies near a document is told by the bits of their codes, not by their words."}</p></div>`;
  }
  const bars = words.map((one) => ({
    label: one.typed === one.found ? one.typed : `${one.typed} → ${one.found}`,
    value: one.score ?? one.bm25,
    text: (one.score ?? one.bm25).toFixed(2),
  }));
  const whole = (parts.words || 0) + Math.max(0, parts.code || 0);
  return html`<div>
    <${Bars} caption="Words that matched" bars=${bars} />
    ${whole > 0 && html`<p class="hint">${percent((parts.words || 0) / whole)} of the score comes from words, ${percent(Math.max(0, parts.code || 0) / whole)} from the code.</p>`}
  </div>`;
}

/** @param {{agreeing: any[], differing: any[]}} props */
function AgreementStrip({ agreeing, differing }) {
  const bits = [...agreeing.map((bit) => ({ ...bit, agrees: true })), ...differing.map((bit) => ({ ...bit, agrees: false }))];
  bits.sort((a, b) => a.bit - b.bit);
  return html`<svg class="agreement" role="img" aria-label=${`${agreeing.length} of ${bits.length} bits agree`} viewBox=${`0 0 320 ${Math.ceil(bits.length / 32) * 12}`}>
    ${bits.map(
      (one, n) => html`<rect
        x=${(n % 32) * 10 + 1}
        y=${Math.floor(n / 32) * 12 + 1}
        width="8"
        height="8"
        rx="1"
        class=${`${one.value ? "one" : "zero"} ${one.agrees ? "" : "differ"}`}
        opacity=${(0.35 + 0.65 * (one.confidence ?? 1)).toFixed(2)}
      ><title>bit ${one.bit}: ${one.value}, ${one.agrees ? "as the query" : "the query has the other"}</title></rect>`,
    )}
  </svg>`;
}

/** @param {{bits: any[]}} props */
function Strongest({ bits }) {
  const words = (/** @type {any[]} */ list) => list.map((one) => (Array.isArray(one) ? one[0] : one)).join(", ") || "no single word";
  return html`<div class="why-strongest">
    <h3>The strongest bits</h3>
    <dl>
      ${bits.map(
        (one) => html`<div>
          <dt>bit ${one.bit} ${one.agrees ? "agrees" : "differs"}</dt>
          <dd>
            query: <b>${words(one.query)}</b>; document: <b>${words(one.document)}</b>
            ${one.ones?.length > 0 && html`<span class="hint">In the whole collection, ones are about ${words(one.ones)}, zeros about ${words(one.zeros)}.</span>`}
          </dd>
        </div>`,
      )}
    </dl>
  </div>`;
}
