// The options of a training, in a line.

/** The options of a training as one line. @param {Record<string, unknown>} params */
export function optionsText(params) {
  const parts = Object.entries(params).map(([name, value]) =>
    value === true ? name : `${name} ${value && typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : value}`,
  );
  return parts.length ? parts.join(", ") : "default options";
}
