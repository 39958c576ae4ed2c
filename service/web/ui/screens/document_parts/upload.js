// A chosen file, as what an import takes: lines of JSON go as they are, CSV and lists in JSON are written anew.
import { documentOf, guessColumns, rowsOf, separatorOf } from "./csv.js";

const LOOK_BYTES = 256 * 1024;
const MOST_LOOKED_AT = 5;
const LINES_A_PART = 5_000;

/**
 * @typedef {object} Upload
 * @property {File} file
 * @property {"lines" | "csv" | "list"} form
 * @property {any[]} first the first documents
 * @property {string[]} header of CSV: its columns
 */

/** Look at the beginning of a file. @param {File} file @returns {Promise<Upload>} */
export async function look(file) {
  const text = (await file.slice(0, LOOK_BYTES).text()).replace(/^\ufeff/, "");
  const isCut = file.size > LOOK_BYTES;
  if (/\.(csv|tsv)$/i.test(file.name)) {
    const rows = [...rowsOf(text, separatorOf(text))].slice(0, MOST_LOOKED_AT + 1);
    const header = rows[0] || [];
    const columns = guessColumns(header);
    return { file, form: "csv", header, first: rows.slice(1).map((row) => documentOf(header, row, columns)) };
  }
  if (text.trimStart().startsWith("[")) {
    const all = isCut ? [] : JSON.parse(text);
    return { file, form: "list", header: [], first: all.slice(0, MOST_LOOKED_AT) };
  }
  const lines = text.split("\n").filter((line) => line.trim());
  const whole = isCut ? lines.slice(0, -1) : lines;
  return { file, form: "lines", header: [], first: whole.slice(0, MOST_LOOKED_AT).map(parsed) };
}

/**
 * The lines of JSON of a file.
 * @param {Upload} upload
 * @param {{id: string, title: string, text: string}} columns of CSV
 * @returns {Promise<Blob>}
 */
export async function linesOf({ file, form, header }, columns) {
  if (form === "lines") return file;
  const text = (await file.text()).replace(/^\ufeff/, "");
  if (form === "list") return joined(JSON.parse(text));
  const rows = rowsOf(text, separatorOf(text));
  rows.next(); // the header
  return joined(documents(rows, header, columns));
}

/** @param {Iterable<string[]>} rows @param {string[]} header @param {{id: string, title: string, text: string}} columns */
function* documents(rows, header, columns) {
  for (const row of rows) if (row.some((field) => field)) yield documentOf(header, row, columns);
}

/** Lines in parts, which the browser may keep on disk. @param {Iterable<unknown>} documents */
function joined(documents) {
  /** @type {Blob[]} */
  const parts = [];
  /** @type {string[]} */
  let lines = [];
  for (const document of documents) {
    lines.push(`${JSON.stringify(document)}\n`);
    if (lines.length === LINES_A_PART) {
      parts.push(new Blob(lines));
      lines = [];
    }
  }
  return new Blob([...parts, ...lines], { type: "application/x-ndjson" });
}

/** @param {string} line */
function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return { text: line };
  }
}
