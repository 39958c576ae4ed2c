// The map's other form: the documents that are in view, as a table.
import { counted, number } from "../format.js";
import { html } from "../html.js";
import { Table } from "../parts/table.js";
import { useDocuments } from "./document_list.js";

/**
 * @param {{ indices: number[], n_seen: number, numbers: ArrayLike<number>, documents: import("./document_cache.js").DocumentCache,
 *   field: string, distances: Uint8Array | null, onPick: (index: number) => void }} props
 */
export function PointsTable({ indices, n_seen, numbers, documents, field, distances, onPick }) {
  const rows = useDocuments(indices, numbers, documents);
  /** @type {import("../parts/table.js").Column<[number, import("./document_cache.js").Document]>[]} */
  const columns = [
    { title: "Document", isHead: true, cell: ([index, one]) => html`<button type="button" class="link" onClick=${() => onPick(index)}>${one.title || one.id}</button>` },
  ];
  if (field) columns.push({ title: field, cell: ([, one]) => valueOf(one.metadata, field) });
  if (distances) columns.push({ title: "Bits that differ", isNumber: true, cell: ([index]) => number(distances[index]) });
  const caption = rows.length < n_seen ? `${number(rows.length)} of ${counted(n_seen, "document")} in view` : `${counted(n_seen, "document")} in view`;
  return html`<${Table} caption=${caption} columns=${columns} rows=${rows} rowKey=${(/** @type {[number, unknown]} */ [index]) => index} />`;
}

/** The value of a field, whose name joins nested members by dots. @param {Record<string, any> | undefined} metadata @param {string} field */
export function valueOf(metadata, field) {
  let value = /** @type {any} */ (metadata?.[field] ?? metadata);
  if (metadata?.[field] === undefined) for (const name of field.split(".")) value = value?.[name];
  return Array.isArray(value) ? value.join(", ") : value === null || value === undefined || typeof value === "object" ? "" : String(value);
}
