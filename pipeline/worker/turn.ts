/**
 * Turns of the event loop, for long work that has to hear of messages in between.
 *
 * @module
 */

/** Takes turns of the event loop without the 1 ms floor of timers. */
export interface Turn {
  take(): Promise<void>;
  /** Lets the event loop end. A turn that is being taken ends too, and so does every later one. */
  close(): void;
}

/** How long turns may go on before timers get theirs, in milliseconds. */
const TIMERS_EVERY = 250;

/** Makes a {@linkcode Turn}. */
export function makeTurn(): Turn {
  const { port1, port2 } = new MessageChannel();
  let resolve = () => {};
  let closed = false;
  let last = performance.now();
  port1.onmessage = () => resolve();
  return {
    take: () =>
      new Promise<void>((done) => {
        // A message to a port that is closed is never answered.
        if (closed) return done();
        resolve = done;
        // Messages alone starve the timers.
        if (performance.now() - last < TIMERS_EVERY) return port2.postMessage(0);
        setTimeout(() => {
          last = performance.now();
          done();
        });
      }),
    close() {
      closed = true;
      port1.close();
      port2.close();
      resolve();
    },
  };
}
