// A table: cells are texts or nodes, and the caption says what it shows.
import { html } from "../html.js";

/**
 * @template T
 * @typedef {object} Column
 * @property {import("../html.js").Node} title
 * @property {(row: T, n: number) => import("../html.js").Node} cell
 * @property {boolean} [isNumber] aligned to the right
 * @property {boolean} [isHead] the cell that names the row
 */

/**
 * @template T
 * @param {{caption: string, hideCaption?: boolean, columns: Column<T>[], rows: T[], rowKey: (row: T) => string | number}} props
 */
export function Table({ caption, hideCaption = false, columns, rows, rowKey }) {
  return html`<div class="table" role="region" aria-label=${caption} tabindex="0">
    <table>
      <caption class=${hideCaption ? "spoken" : ""}>${caption}</caption>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col" class=${column.isNumber ? "number" : ""}>${column.title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, n) => html`<tr key=${rowKey(row)}>
            ${columns.map((column) =>
              column.isHead
                ? html`<th scope="row">${column.cell(row, n)}</th>`
                : html`<td class=${column.isNumber ? "number" : ""}>${column.cell(row, n)}</td>`,
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
