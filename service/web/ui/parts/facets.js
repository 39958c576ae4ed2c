// Counts of values as filters: a click narrows to a value, another one takes it away.
import { number } from "../format.js";
import { html, useState } from "../html.js";
import { setParams } from "../router.js";

/** @typedef {{value: string | number | boolean, count: number}} FacetValue */
/** @typedef {{values: FacetValue[], distinct: number, other: number, missing: number}} Facet */

/**
 * @param {{facets: Record<string, Facet> | null | undefined, where: string[], n_matching: number}} props
 *   `where`: what is narrowed to already, as in `lang:en`
 */
export function Facets({ facets, where, n_matching }) {
  const shown = Object.entries(facets || {}).filter(([, facet]) => isWorthShowing(facet, n_matching));
  return html`<div class="facets">
    ${where.length > 0 &&
    html`<ul class="facet-chosen">
      ${where.map((one) => html`<li><button type="button" aria-label=${`Remove the filter ${one}`} onClick=${() => toggle(where, one)}>${one} <span aria-hidden="true">✕</span></button></li>`)}
    </ul>`}
    ${shown.map(([field, facet]) => html`<${OneFacet} field=${field} facet=${facet} where=${where} />`)}
  </div>`;
}

/** @param {{field: string, facet: Facet, where: string[]}} props */
function OneFacet({ field, facet, where }) {
  const [isOpen] = useState(() => matchMedia("(min-width: 52rem)").matches);
  const most = Math.max(...facet.values.map((one) => one.count), 1);
  return html`<details open=${isOpen} class="facet">
    <summary><h2>${field}</h2></summary>
    <ul>
      ${facet.values.map((one) => {
        const condition = `${field}:${one.value}`;
        return html`<li>
          <button type="button" class="facet-value" aria-pressed=${where.includes(condition)} onClick=${() => toggle(where, condition)}>
            <span class="facet-bar" style=${{ width: `${(one.count / most) * 100}%` }} aria-hidden="true"></span>
            <span class="facet-name" title=${String(one.value)}>${String(one.value)}</span><span class="facet-count">${number(one.count)}</span>
          </button>
        </li>`;
      })}
    </ul>
    ${facet.other > 0 && html`<p class="hint">${number(facet.other)} with ${number(facet.distinct - facet.values.length)} other values</p>`}
  </details>`;
}

/** A field with one value narrows nothing, and one whose values are nearly all different names documents. @param {Facet} facet @param {number} n */
function isWorthShowing(facet, n) {
  return facet.values.length > 0 && (facet.distinct > 1 || facet.missing > 0) && (n < 20 || facet.values[0].count > 1);
}

/** @param {string[]} where @param {string} condition */
function toggle(where, condition) {
  const next = where.includes(condition) ? where.filter((one) => one !== condition) : [...where, condition];
  setParams({ where: next, k: null, cursor: null });
}
