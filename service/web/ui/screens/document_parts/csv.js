// CSV as documents: read as RFC 4180 says, also with semicolons or tabs, and written as lines of JSON.

/** @typedef {{header: string[], rows: string[][]}} Sheet */

/** The separator that the first line has most of. @param {string} text */
export function separatorOf(text) {
  const line = text.split(/\r?\n/, 1)[0];
  return [",", ";", "\t"].reduce((best, one) => (line.split(one).length > line.split(best).length ? one : best));
}

/**
 * The rows of a text, fields in quotation marks with what is in them.
 * @param {string} text
 * @param {string} separator
 * @returns {Generator<string[]>}
 */
export function* rowsOf(text, separator) {
  /** @type {string[]} */
  let row = [];
  let field = "";
  let isQuoted = false;
  for (let n = 0; n < text.length; n += 1) {
    const character = text[n];
    if (isQuoted) {
      if (character !== '"') field += character;
      else if (text[n + 1] === '"') {
        field += '"';
        n += 1;
      } else isQuoted = false;
    } else if (character === '"' && field === "") isQuoted = true;
    else if (character === separator) {
      row.push(field);
      field = "";
    } else if (character === "\n") {
      row.push(field.replace(/\r$/, ""));
      yield row;
      [row, field] = [[], ""];
    } else field += character;
  }
  if (field || row.length) yield [...row, field];
}

/** Which columns are id, title and text, as far as their names tell. @param {string[]} header */
export function guessColumns(header) {
  const find = (/** @type {RegExp} */ pattern) => header.find((name) => pattern.test(name.trim())) || "";
  const text = find(/^(text|content|body|abstract|description|message)$/i) || header[header.length - 1] || "";
  return { id: find(/^(id|key|_id|uid)$/i), title: find(/^(title|name|subject|headline)$/i), text };
}

/**
 * A row as a document: all other columns become metadata, numbers as numbers, empty ones left out.
 * @param {string[]} header
 * @param {string[]} row
 * @param {{id: string, title: string, text: string}} columns
 */
export function documentOf(header, row, columns) {
  /** @type {Record<string, any>} */
  const document = {};
  /** @type {Record<string, string | number>} */
  const metadata = {};
  header.forEach((name, n) => {
    const value = row[n] ?? "";
    const member = Object.entries(columns).find(([, column]) => column === name)?.[0];
    if (member && value) document[member] = value;
    else if (!member && value) metadata[name] = isPlainNumber(value) ? Number(value) : value;
  });
  return { ...document, text: document.text || "", metadata };
}

/** Whether a text is a number and nothing is lost if it is kept as one: 007 and long numbers stay texts. @param {string} text */
function isPlainNumber(text) {
  return /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(text);
}
