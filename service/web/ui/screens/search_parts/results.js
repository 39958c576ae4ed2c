// The results: what was found, how far it lies, where each ranking has it, and why.
import { html } from "../../html.js";
import { Distance } from "../../parts/distance.js";
import { LongText } from "../../parts/long_text.js";
import { Marked } from "../../parts/marked.js";
import { Picture, usePictures } from "../../parts/picture.js";
import { go, href, setParams } from "../../router.js";
import { Why } from "./why.js";

const MOST_VALUES = 4;

/**
 * @param {{collection: string, data: any, asked: import("../search.js").Asked, call: import("../../api.js").Call,
 *   rankings: import("./rankings.js").Rankings | null, about: import("../../types.js").CollectionDetail}} props
 */
export function Results({ collection, data, asked, call, rankings, about }) {
  const pictures = usePictures(collection, about.kind, data.matches.map((/** @type {any} */ match) => match.id));
  return html`<ol class="results">
    ${data.matches.map(
      (/** @type {any} */ match) => html`<li key=${match.id} class="result">
        <div class="result-head">
          <h2><a href=${href(collection, "documents", { id: match.id })}><${Title} match=${match} /></a></h2>
          ${match.distance !== null && match.distance !== undefined && html`<${Distance} distance=${match.distance} n_bits=${about.n_bits} />`}
        </div>
        <${Picture} image=${pictures.get(match.id)} label=${`The picture ${match.id}`} />
        <${Passage} match=${match} />
        <div class="result-foot">
          <${Metadata} metadata=${match.metadata} where=${asked.where} />
          ${rankings && html`<${Places} id=${match.id} rankings=${rankings} />`}
          <span class="space"></span>
          <button type="button" class="link" onClick=${() => go(href(collection, "search", { like: match.id }))}>More like this</button>
          <a href=${href(collection, "bits", asked.like ? { id: match.id, with: asked.like } : { id: match.id })}>Bits</a>
          <button type="button" class="link" aria-expanded=${asked.why === match.id} onClick=${() => setParams({ why: asked.why === match.id ? null : match.id }, { replace: true })}>Why?</button>
        </div>
        ${asked.why === match.id && html`<${Why} call=${call} id=${match.id} asked=${asked} code=${data.code} />`}
      </li>`,
    )}
  </ol>`;
}

/** @param {{match: any}} props */
function Title({ match }) {
  if (!match.title) return match.id;
  return html`<${Marked} text=${match.title} marks=${match.highlight?.title_marks} />`;
}

/** @param {{match: any}} props */
function Passage({ match }) {
  const passage = match.highlight?.passage;
  if (!passage) return match.text ? html`<${LongText} text=${match.text} lines=${2} />` : null;
  return html`<p class="passage">${match.highlight.start > 0 && "… "}<${Marked} text=${passage} marks=${match.highlight.marks} /></p>`;
}

/** @param {{metadata: Record<string, unknown> | undefined, where: string[]}} props */
function Metadata({ metadata, where }) {
  const short = Object.entries(metadata || {}).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  const values = short.map(([, value]) => value);
  const shown = short.filter(([, value], n) => values.indexOf(value) === n).slice(0, MOST_VALUES);
  return html`<ul class="row result-metadata">
    ${shown.map(([field, value]) => {
      const condition = `${field}:${value}`;
      const add = () => setParams({ where: [...new Set([...where, condition])], k: null });
      return html`<li><button type="button" class="tag" title=${`Only ${condition}`} onClick=${add}>${String(value)}</button></li>`;
    })}
  </ul>`;
}

/** @param {{id: string, rankings: import("./rankings.js").Rankings}} props */
function Places({ id, rankings }) {
  const place = (/** @type {Map<string, number>} */ places) => (places.has(id) ? `#${places.get(id)}` : "–");
  return html`<span class="places" title="Place when only words rank, and when only codes do; – is below the first 100">
    words <b>${place(rankings.words)}</b> · codes <b>${place(rankings.code)}</b>
  </span>`;
}
