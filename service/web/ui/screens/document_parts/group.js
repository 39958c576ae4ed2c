// A group of near duplicates; a large one is shown by its first documents, until it is opened.
import { counted } from "../../format.js";
import { html, useState } from "../../html.js";
import { Tag } from "../../parts/tag.js";
import { href } from "../../router.js";
import { GroupTexts } from "./group_texts.js";

const SHOWN = 6;
const MOST_SHOWN = 100;

/** @param {{collection: string, group: any, onKeep: () => void}} props */
export function Group({ collection, group, onKeep }) {
  const [isOpen, setOpen] = useState(false);
  const [areTexts, setTexts] = useState(false);
  const n = group.documents.length;
  const shown = group.documents.slice(0, isOpen ? MOST_SHOWN : SHOWN);
  return html`<section class="card stack group" aria-label=${`Group of ${group.representative}`}>
    <ul>
      ${shown.map((/** @type {any} */ one) => html`<li class="row">
        <a href=${href(collection, "documents", { id: one.id })}>${one.id}</a>
        ${one.id === group.representative ? html`<${Tag} tone="good">kept<//>` : html`<span class="soft">${counted(one.distance, "bit")}</span>`}
      </li>`)}
    </ul>
    ${group.capped && html`<p class="hint">Part of a chain of more than 1,000 documents.</p>`}
    <div class="row">
      <span class="soft">${counted(n, "document")}</span>
      ${n > SHOWN && html`<button type="button" class="link" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? "Fewer" : `Show ${Math.min(n, MOST_SHOWN)}`}</button>`}
      <button type="button" class="link" aria-expanded=${areTexts} onClick=${() => setTexts(!areTexts)}>${areTexts ? "Hide the texts" : "Compare the texts"}</button>
      <span class="space"></span>
      <button type="button" class="danger" onClick=${onKeep}>Keep one</button>
    </div>
    ${areTexts && html`<${GroupTexts} collection=${collection} ids=${shown.slice(0, SHOWN).map((/** @type {any} */ one) => one.id)} />`}
  </section>`;
}
