// The versions of a collection's codes, newest first, and what can be done with each.
import { collectionPath } from "../api.js";
import { useAction } from "../calls.js";
import { counted, percent } from "../format.js";
import { html, useState } from "../html.js";
import { Dialog } from "../parts/dialog.js";
import { Moment } from "../parts/moment.js";
import { Tag } from "../parts/tag.js";
import { href, setParams } from "../router.js";
import { STATES, TONES, canTakeOver } from "./words.js";

/** @param {{collection: string, spaces: any[], models: boolean, onChanged: () => void}} props `models`: spaces name embedding models */
export function SpaceList({ collection, spaces, models, onChanged }) {
  const [isAsking, setAsking] = useState(false);
  const before = spaces.filter((one) => one.state === "retired").sort((a, b) => Date.parse(b.activated_at) - Date.parse(a.activated_at))[0];
  return html`<ul class="spaces-list">
      ${spaces.map(
        (space) => html`<li key=${space.version} class=${space.state === "active" ? "active" : ""}>
          <div class="spaces-name">
            <h2>${space.version}</h2>
            <${Tag} tone=${TONES[space.state]}>${space.state}<//>
          </div>
          <div class="spaces-about">
            <p>
              <b>${space.variant.replaceAll("_", " ")}</b>, ${counted(space.n_bits, "bit")}${models && space.model ? `, of vectors of ${space.model}` : ""}:
              ${" "}${STATES[space.state]}
            </p>
            ${space.report?.found?.recall &&
            html`<p class="hint">
              finds ${percent(space.report.found.recall.mean)} of the true nearest, ${percent(space.report.found.topic.mean)} of what it finds is of the same topic
            </p>`}
            ${space.error && html`<p class="spaces-error">${space.error}</p>`}
            <p class="hint">made <${Moment} at=${space.created_at} />${space.activated_at && html`, answered from <${Moment} at=${space.activated_at} />`}</p>
          </div>
          <div class="row spaces-acts">
            ${space.state === "active" && before && html`<button type="button" onClick=${() => setAsking(true)}>Roll back</button>`}
            ${canTakeOver(space) && html`<button type="button" onClick=${() => setParams({ preview: space.version })}>Preview and promote</button>`}
            ${(space.state === "active" || canTakeOver(space)) && html`<a href=${href(collection, "map", { space: space.state === "active" ? null : space.version })}>Its map</a>`}
          </div>
        </li>`,
      )}
    </ul>
    ${isAsking && html`<${RollBack} collection=${collection} active=${spaces.find((one) => one.state === "active")} before=${before} onChanged=${onChanged} onClose=${() => setAsking(false)} />`}`;
}

/** @param {{collection: string, active: any, before: any, onChanged: () => void, onClose: () => void}} props */
function RollBack({ collection, active, before, onChanged, onClose }) {
  const [act, busy] = useAction();
  const rollBack = async () => {
    const path = collectionPath(collection, "spaces", String(active.version), "rollback");
    const done = await act({ path, method: "POST" }, `Code space ${before.version} takes over.`);
    if (done) onChanged();
    onClose();
  };
  return html`<${Dialog} title=${`Roll back to code space ${before.version}?`} onClose=${onClose}>
    <p>Code space ${before.version} (${before.variant}) answers again, and ${active.version} is kept: rolling back once more undoes it. No request fails meanwhile.</p>
    <p><a href=${href(collection, "spaces", { preview: before.version })} onClick=${onClose}>See first which answers would change</a></p>
    <div class="dialog-end">
      <button type="button" class="quiet" onClick=${onClose}>Cancel</button>
      <button type="button" class="primary" disabled=${busy} onClick=${rollBack}>Roll back</button>
    </div>
  <//>`;
}
