/**
 * Finds ports for servers that are told where to listen.
 *
 * @module
 */

/**
 * A port that is free, for a server that takes its time to listen there. It is none of those that
 * systems hand out: until then, another test's server would be given it, and get what is meant for
 * this one.
 */
export function freePort(): number {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    try {
      using _listener = Deno.listen({ hostname: "127.0.0.1", port });
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Linux hands out ports from 32768 on, others from 49152 on. */
const FIRST = 20_000;
const COUNT = 12_000;
