// Bits: a code as buttons. Flip one, and see at once what lies there; look behind each; put two documents side by side.
import { collectionPath, documentPath } from "../api.js";
import { useCall } from "../calls.js";
import { bitsOf, codeOf, counted } from "../format.js";
import { html, useEffect, useMemo } from "../html.js";
import { announce } from "../notices.js";
import { Curl } from "../parts/curl.js";
import { Empty } from "../parts/empty.js";
import { LongText } from "../parts/long_text.js";
import { ProblemNote } from "../parts/problem_note.js";
import { href, setParams } from "../router.js";
import { Around } from "./around.js";
import { Asked } from "./asked.js";
import { BitCard } from "./bit_card.js";
import { Comparison } from "./comparison.js";
import { BitGrid } from "./grid.js";

/** @type {import("../screens.js").ScreenComponent} */
export default function Bits({ collection, params }) {
  const about = useCall({ path: collectionPath(collection) });
  const first = useCall({ path: collectionPath(collection, "documents"), params: { limit: 1 } });
  const source = sourceOf(params, first.data?.items[0]?.id);
  const encoded = useCall(source.call(collection));
  const asked = source.code ? { code: source.code, bits: null, title: null, id: null } : encoded.data;
  const flipped = useMemo(() => flippedOf(params, asked?.code), [params, asked]);
  const code = asked ? flip(asked.code, flipped) : "";
  const counts = useCall(code ? { path: collectionPath(collection, "distances"), params: { code } } : null);
  const meanings = useCall({ path: collectionPath(collection, "bits") });
  const other = params.get("with") || "";
  const compareCall = asked?.id && other ? { path: collectionPath(collection, "compare"), params: { a: asked.id, b: other } } : null;
  const compared = useCall(compareCall);
  const bit = Math.min(Number(params.get("bit")) || 0, Math.max(0, code.length * 4 - 1));

  useEffect(() => {
    if (counts.data && !counts.isOld) announce(`${counted(counts.data.distances[0], "document")} with this code`);
  }, [counts.data]);

  const problem = about.problem || encoded.problem || counts.problem || compared.problem;
  const nearest = { path: collectionPath(collection, "similar"), params: { code, k: 10 } };
  return html`<div class="bits stack">
    <header class="head">
      <h1>Bits</h1>
      <p class="hint">A code is what a search compares. Flip a bit, and see which documents lie there.</p>
    </header>
    <${Asked} key=${source.key} kind=${about.data?.kind} source=${source} other=${other} />
    <${ProblemNote} problem=${problem} />
    ${about.data?.n_documents === 0 && html`<${Empty} title="No documents yet"><p>Put some in, and their codes can be looked at.</p><//>`}
    ${asked &&
    html`<div class="bits-top">
        <section class="card stack" aria-label="The code">
          <${Heading} collection=${collection} asked=${asked} code=${code} source=${source} />
          <${BitGrid}
            code=${code} flipped=${flipped} confidences=${asked.bits?.map((/** @type {any} */ one) => one.confidence)}
            differing=${compared.data?.differing.map((/** @type {any} */ one) => one.bit)} current=${bit}
            onFlip=${(/** @type {number} */ n) => setParams({ flip: toggled(flipped, n).join(","), bit: n }, { replace: true })}
            onShow=${(/** @type {number} */ n) => setParams({ bit: n }, { replace: true })}
          />
          <${Flips} asked=${asked} flipped=${flipped} />
        </section>
        <${BitCard}
          collection=${collection} bit=${bit} value=${bitsOf(code)[bit]} meaning=${meanings.data?.bits[bit]} busy=${meanings.busy}
          own=${flipped.includes(bit) ? null : asked.bits?.[bit]} ones=${counts.data?.ones[bit]} n=${counts.data?.documents}
        />
      </div>
      ${other && compared.data && html`<${Comparison} compared=${compared.data} />`}
      <${Around} collection=${collection} code=${code} before=${asked.code} counts=${counts.data} isOld=${counts.isOld} call=${nearest} own=${asked.id} />
      <${Curl} call=${nearest} />`}
  </div>`;
}

/** @typedef {{kind: "q" | "id" | "code", value: string, code: string | null, key: string, call: (collection: string) => import("../api.js").Call | null}} Source */

/** What the code is of: a text, a code, or a document, the first one if nothing was asked. @param {URLSearchParams} params @param {string | undefined} first @returns {Source} */
function sourceOf(params, first) {
  const typed = (params.get("code") || "").toLowerCase();
  const code = /^[0-9a-f]+$/.test(typed) ? typed : null;
  const q = params.get("q");
  const id = params.get("id") || (code || q ? null : first);
  const kind = code ? "code" : q ? "q" : "id";
  const value = code || q || id || "";
  const call = (/** @type {string} */ collection) =>
    code || !value ? null : { path: collectionPath(collection, "encode"), params: q ? { q } : { id } };
  return { kind, value, code, key: `${kind} ${value}`, call };
}

/** @param {URLSearchParams} params @param {string | undefined} code @returns {number[]} */
function flippedOf(params, code) {
  const n_bits = (code || "").length * 4;
  const asked = (params.get("flip") || "").split(",").filter(Boolean).map(Number);
  return [...new Set(asked)].filter((bit) => Number.isInteger(bit) && bit >= 0 && bit < n_bits);
}

/** @param {string} code @param {number[]} flipped */
function flip(code, flipped) {
  const bits = bitsOf(code);
  for (const bit of flipped) bits[bit] = 1 - bits[bit];
  return codeOf(bits);
}

/** @param {number[]} flipped @param {number} bit */
const toggled = (flipped, bit) => (flipped.includes(bit) ? flipped.filter((one) => one !== bit) : [...flipped, bit]);

/** @param {{collection: string, asked: any, code: string, source: Source}} props */
function Heading({ collection, asked, code, source }) {
  const { data } = useCall(asked.id ? { path: documentPath(collection, asked.id) } : null);
  const name = source.kind === "q" ? `“${source.value}”` : asked.title || asked.id || "A code";
  const onMap = source.kind === "q" ? { q: source.value } : asked.id && { id: asked.id };
  return html`<div class="stack bits-heading">
    <div class="row">
      <h2>${name}</h2>
      <span class="bits-space"></span>
      ${onMap && html`<a href=${href(collection, "map", onMap)}>On the map</a>`}
    </div>
    ${data?.text && html`<${LongText} text=${data.text} lines=${2} />`}
    <p class="hint mono">${code}</p>
  </div>`;
}

/** @param {{asked: any, flipped: number[]}} props */
function Flips({ asked, flipped }) {
  const left = (asked.bits || []).filter((/** @type {any} */ one) => !flipped.includes(one.bit));
  const unsure = left.sort((/** @type {any} */ a, /** @type {any} */ b) => a.confidence - b.confidence)[0];
  return html`<div class="row">
    <span class="hint">${flipped.length ? `${counted(flipped.length, "bit")} flipped.` : "Filled: a one. The bar below: how sure it is."}</span>
    <span class="bits-space"></span>
    ${unsure && html`<button type="button" onClick=${() => setParams({ flip: [...flipped, unsure.bit].join(","), bit: unsure.bit }, { replace: true })}>Flip the least sure</button>`}
    <button type="button" disabled=${flipped.length === 0} onClick=${() => setParams({ flip: null }, { replace: true })}>Flip back</button>
  </div>`;
}
