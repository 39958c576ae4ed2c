// Calls of the service: JSON, bytes, lines and events, with the key, and every failure as one of two errors.
import { key } from "./key.js";

/**
 * A call, written down: what is fetched, and what the page shows as a curl command.
 * @typedef {object} Call
 * @property {string} path below the root of the service, as in `/v1/collections/notes/search`
 * @property {string} [method] GET by default
 * @property {Record<string, Value | Value[]>} [params] what is null, undefined, false or empty is left out
 * @property {unknown} [body] sent as JSON; a Blob is sent as it is
 * @property {Record<string, string>} [headers]
 * @typedef {string | number | boolean | null | undefined} Value
 */

/** The URL that the service's paths are relative to, with a slash at its end; the page lies two folders below it. */
export const ROOT = new URL("../../", import.meta.url);

/** What the service says that went wrong: problem details of RFC 9457. */
export class Problem extends Error {
  /** @param {number} status @param {Record<string, any>} members */
  constructor(status, members) {
    super(members.detail || members.title || `status ${status}`);
    this.status = status;
    this.title = String(members.title || "The service refused");
    this.detail = String(members.detail || "");
    this.type = String(members.type || "").replace("urn:nearbit:problem:", "");
    this.members = members;
  }
}

/** Nobody answered: the service is down, or the network is. */
export class ServiceLost extends Error {}

/** @type {{onLost: () => void, onAnswer: () => void, onUnauthorized: (hadKey: boolean) => void}} */
export const listeners = { onLost() {}, onAnswer() {}, onUnauthorized() {} };

/** The path of a collection, with more segments behind it. @param {string} collection @param {...string} segments */
export function collectionPath(collection, ...segments) {
  return `/v1/collections/${[collection, ...segments].map(encodeURIComponent).join("/")}`;
}

/** The path of a document; the slashes of its id stay. @param {string} collection @param {string} id */
export function documentPath(collection, id, after = "") {
  return `${collectionPath(collection, "documents")}/${id.split("/").map(encodeURIComponent).join("/")}${after}`;
}

/** The whole URL of a call. @param {Call} call */
export function urlOf({ path, params = {} }) {
  const url = new URL(path.replace(/^\//, ""), ROOT);
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "" && one !== false) url.searchParams.append(name, String(one));
    }
  }
  return url;
}

/**
 * Send a call and return the response, whose status is below 400.
 * @param {Call} call
 * @param {AbortSignal} [signal]
 * @throws {Problem | ServiceLost} or an `AbortError` once the signal is aborted
 */
export async function send(call, signal) {
  const sentKey = key.get().text;
  /** @type {Record<string, string>} */
  const headers = { ...call.headers };
  if (sentKey) headers.Authorization = `Bearer ${sentKey}`;
  const isBlob = call.body instanceof Blob;
  if (call.body !== undefined && !isBlob) headers["Content-Type"] = "application/json";
  const body = call.body === undefined ? undefined : isBlob ? /** @type {Blob} */ (call.body) : JSON.stringify(call.body);
  let response;
  try {
    response = await fetch(urlOf(call), { method: call.method || "GET", headers, body, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    listeners.onLost();
    throw new ServiceLost("the service does not answer");
  }
  listeners.onAnswer();
  if (response.ok) return response;
  const problem = new Problem(response.status, await response.json().catch(() => ({})));
  if (response.status === 401) listeners.onUnauthorized(sentKey !== "");
  throw problem;
}

/** The JSON of an answer; null if it has none. @param {Call} call @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function json(call, signal) {
  const response = await send(call, signal);
  return response.status === 204 ? null : response.json();
}

/** The bytes of an answer, with its headers. @param {Call} call @param {AbortSignal} [signal] */
export async function bytes(call, signal) {
  const response = await send(call, signal);
  return { buffer: await response.arrayBuffer(), headers: response.headers };
}

/**
 * The values of an answer in lines of JSON, as they come.
 * @param {Call} call
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<any>}
 */
export async function* lines(call, signal) {
  for await (const line of textLines(await send(call, signal))) if (line) yield JSON.parse(line);
}

/**
 * Server-sent events as they come. `EventSource` cannot send a key, so they are read here.
 * @param {Call} call
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<{event: string, data: any, id: string}>}
 */
export async function* events(call, signal) {
  const headers = { Accept: "text/event-stream", ...call.headers };
  let event = { event: "message", data: "", id: "" };
  for await (const line of textLines(await send({ ...call, headers }, signal))) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) || [];
    if (line === "") {
      if (event.data) yield { ...event, data: JSON.parse(event.data) };
      event = { event: "message", data: "", id: event.id };
    } else if (field === "data") event.data += value;
    else if (field === "event" || field === "id") event[field] = value;
  }
}

/** @param {Response} response */
async function* textLines(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += decoder.decode(value, { stream: !done });
      const whole = rest.split("\n");
      rest = /** @type {string} */ (whole.pop());
      for (const line of whole) yield line.replace(/\r$/, "");
      if (done) break;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  if (rest) yield rest;
}

/** The curl command that sends a call; the key stays in the environment. @param {Call} call */
export function curlOf(call) {
  const quoted = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`;
  const url = urlOf(call);
  const parts = ["curl"];
  if (key.get().text) parts.push('-H "Authorization: Bearer $NEARBIT_KEY"');
  const method = call.method || "GET";
  if (method !== "GET" && !(method === "POST" && call.body !== undefined)) parts.push(`-X ${method}`);
  if (url.search) parts.push("-G");
  parts.push(quoted(url.origin + url.pathname));
  for (const [name, value] of url.searchParams) parts.push(`--data-urlencode ${quoted(`${name}=${value}`)}`);
  if (call.body !== undefined) {
    const isBlob = call.body instanceof Blob;
    parts.push(`-H ${quoted(`Content-Type: ${isBlob ? "application/x-ndjson" : "application/json"}`)}`);
    parts.push(isBlob ? "--data-binary @documents.jsonl" : `-d ${quoted(JSON.stringify(call.body))}`);
  }
  return parts.join(" ");
}
