// The texts of a group, one below the other.
import { collectionPath } from "../../api.js";
import { useCall } from "../../calls.js";
import { html } from "../../html.js";
import { LongText } from "../../parts/long_text.js";

/** @param {{collection: string, ids: string[]}} props */
export function GroupTexts({ collection, ids }) {
  const { data } = useCall({ path: collectionPath(collection, "documents", "get"), method: "POST", body: { ids } });
  return html`<dl class="stack">
    ${(data?.items || []).map((/** @type {any} */ one) => html`<div><dt class="soft">${one.id}</dt><dd><${LongText} text=${one.text || ""} lines=${3} /></dd></div>`)}
  </dl>`;
}
