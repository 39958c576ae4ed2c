// What administrators called, the last call first.
import { useCall } from "../../calls.js";
import { html, useState } from "../../html.js";
import { Moment } from "../../parts/moment.js";
import { Table } from "../../parts/table.js";
import { Tag } from "../../parts/tag.js";

const PAGE = 25;
const COLUMNS = [
  { title: "When", cell: (/** @type {any} */ one) => html`<${Moment} at=${one.at} />` },
  { title: "Call", cell: (/** @type {any} */ one) => html`<code>${one.method} ${one.path}</code>` },
  { title: "Who", cell: (/** @type {any} */ one) => one.key_name || one.address || "" },
  { title: "Status", isNumber: true, cell: (/** @type {any} */ one) => html`<${Tag} tone=${one.status < 400 ? "good" : "bad"}>${one.status}<//>` },
];

export function Audit() {
  const [cursor, setCursor] = useState(/** @type {string | null} */ (null));
  const [isOpen, setOpen] = useState(false);
  const { data, problem } = useCall(isOpen ? { path: "/v1/audit", params: { limit: PAGE, cursor } } : null);
  return html`<details class="stack" onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary><h2 class="service-audit">What administrators called</h2></summary>
    ${problem && html`<p class="soft">${problem.detail}</p>`}
    ${data && html`<${Table} caption="Calls that need the scope admin" hideCaption columns=${COLUMNS} rows=${data.items} rowKey=${(/** @type {any} */ one) => one.request_id} />`}
    <nav class="row" aria-label="Pages of calls">
      ${cursor && html`<button type="button" onClick=${() => setCursor(null)}>Last calls</button>`}
      ${data?.next_cursor && html`<button type="button" onClick=${() => setCursor(data.next_cursor)}>Earlier calls</button>`}
    </nav>
  </details>`;
}
