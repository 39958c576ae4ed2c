// The keys of the service: who may do what, a new key, and revoking one.
import { useAction, useCall } from "../../calls.js";
import { html, useState } from "../../html.js";
import { Dialog } from "../../parts/dialog.js";
import { Moment } from "../../parts/moment.js";
import { ProblemNote } from "../../parts/problem_note.js";
import { Table } from "../../parts/table.js";
import { Tag } from "../../parts/tag.js";
import { NewKey } from "./new_key.js";

/** @typedef {import("../../types.js").Key} Key */

const MOST = 200;

export function Keys() {
  const { data, problem, reload } = useCall({ path: "/v1/keys", params: { limit: MOST } });
  const [isNew, setNew] = useState(false);
  const [revoked, setRevoked] = useState(/** @type {Key | null} */ (null));
  return html`<section class="stack" aria-label="Keys">
    <div class="row">
      <h2>Keys</h2>
      <span class="space"></span>
      ${data && html`<button type="button" class="primary" onClick=${() => setNew(true)}>New key</button>`}
    </div>
    ${problem?.status === 403 ? html`<p class="soft">Keys are shown to administrators: ${problem.detail}.</p>` : html`<${ProblemNote} problem=${problem} />`}
    ${data && data.items.length === 0 && html`<p class="soft">No key was made. The first one makes every call need a key.</p>`}
    ${data && data.items.length > 0 && html`<${Table} caption="Keys that were made" hideCaption columns=${columns(setRevoked)} rows=${data.items} rowKey=${(/** @type {Key} */ one) => one.id} />`}
    ${isNew && html`<${NewKey} isFirst=${data.items.length === 0} onClose=${() => setNew(false)} onDone=${reload} />`}
    ${revoked && html`<${Revoke} one=${revoked} onClose=${() => setRevoked(null)} onDone=${reload} />`}
  </section>`;
}

/** @param {(one: Key) => void} setRevoked */
function columns(setRevoked) {
  return [
    { title: "Name", isHead: true, cell: (/** @type {Key} */ one) => one.name },
    { title: "May", cell: (/** @type {Key} */ one) => one.scopes.join(", ") },
    { title: "For", cell: (/** @type {Key} */ one) => one.collections?.join(", ") ?? "all collections" },
    { title: "Last used", cell: (/** @type {Key} */ one) => html`<${Moment} at=${one.last_used_at} />` },
    { title: "State", cell: (/** @type {Key} */ one) => html`<${KeyState} one=${one} />` },
    { title: html`<span class="spoken">Revoke</span>`, cell: (/** @type {Key} */ one) => !one.revoked_at && html`<button type="button" class="link" aria-label=${`Revoke ${one.name}`} onClick=${() => setRevoked(one)}>Revoke</button>` },
  ];
}

/** @param {{one: Key}} props */
function KeyState({ one }) {
  if (one.revoked_at) return html`<${Tag} tone="bad">revoked<//>`;
  if (one.expires_at && Date.parse(one.expires_at) < Date.now()) return html`<${Tag} tone="warn">expired<//>`;
  return html`<${Tag} tone="good">valid<//>${one.expires_at && html` until <${Moment} at=${one.expires_at} />`}`;
}

/** @param {{one: Key, onClose: () => void, onDone: () => void}} props */
function Revoke({ one, onClose, onDone }) {
  const [act, isActing] = useAction();
  const revoke = async () => {
    if (!(await act({ path: `/v1/keys/${one.id}`, method: "DELETE" }, `${one.name} is revoked`))) return;
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${`Revoke ${one.name}?`} onClose=${onClose}>
    <p>Whoever uses this key is refused from now on. It cannot be made valid again.</p>
    <div class="dialog-end">
      <button type="button" onClick=${onClose}>Keep</button>
      <button type="button" class="danger primary" disabled=${isActing} onClick=${revoke}>Revoke</button>
    </div>
  <//>`;
}
