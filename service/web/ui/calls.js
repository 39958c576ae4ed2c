// Calls in components: what a call answers as it is drawn, and calls that a button sends.
import { Problem, ServiceLost, json } from "./api.js";
import { connection } from "./connection.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";
import { announce, notify } from "./notices.js";
import { useStore } from "./store.js";

/** @typedef {import("./api.js").Call} Call */

/**
 * The answer of a call, asked again when the call changes or the service is back. The last answer stays until the next
 * one is there, so that nothing flickers; a call that is no longer wanted is aborted.
 * @template [T=any]
 * @param {Call | null} call null: there is nothing to ask
 * @param {{everyMs?: number, again?: unknown}} [options] `everyMs`: ask again so often, while the page is seen; `again`: ask again when
 *   it is another
 * @returns {{data: T | null, problem: Problem | null, busy: boolean, isOld: boolean, reload: () => void}}
 *   `isOld`: the data are those of an earlier call
 */
export function useCall(call, { everyMs, again } = {}) {
  const wanted = call && JSON.stringify(call);
  const { generation } = useStore(connection);
  const [asked, setAsked] = useState(0);
  const [found, setFound] = useState(/** @type {any} */ ({ wanted: null, data: null, problem: null }));
  const [busy, setBusy] = useState(false);
  const reload = useCallback(() => setAsked((n) => n + 1), []);

  useEffect(() => {
    if (!call) {
      setFound({ wanted, data: null, problem: null });
      return undefined;
    }
    const controller = new AbortController();
    setBusy(true);
    json(call, controller.signal).then(
      (data) => {
        setFound({ wanted, data, problem: null });
        setBusy(false);
      },
      (error) => {
        if (controller.signal.aborted) return;
        setBusy(false);
        if (error instanceof Problem) setFound({ wanted, data: null, problem: error });
        else if (!(error instanceof ServiceLost)) throw error;
      },
    );
    return () => controller.abort();
  }, [wanted, generation, asked, again]);

  useEffect(() => {
    if (!everyMs || !call) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") reload();
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs, wanted]);

  return { ...found, busy, isOld: found.wanted !== wanted, reload };
}

/**
 * A function that sends a call and shows in the notice bar what went wrong, and whether one is being sent.
 * @returns {[(call: Call, said?: string) => Promise<any>, boolean]} the function returns the answer, undefined if there
 *   is none; `said` is shown when it went well
 */
export function useAction() {
  const [busy, setBusy] = useState(false);
  const mounted = useRef(true);
  useEffect(() => () => {
    mounted.current = false;
  }, []);
  const act = useCallback(async (/** @type {Call} */ call, /** @type {string | undefined} */ said) => {
    setBusy(true);
    try {
      const answer = await json(call);
      if (said) notify(said);
      return answer === null ? {} : answer;
    } catch (error) {
      if (error instanceof Problem) notify(error);
      else if (error instanceof ServiceLost) announce("The service does not answer.");
      else throw error;
      return undefined;
    } finally {
      if (mounted.current) setBusy(false);
    }
  }, []);
  return [act, busy];
}
