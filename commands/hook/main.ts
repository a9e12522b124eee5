/**
 * `hook run` as a program of its own: Claude Code starts this one where keepsake is run from its
 * source, because the other takes three times as long to load.
 *
 * @module
 */
import { answerHook } from "./answer.ts";

if (import.meta.main) Deno.exit(await answerHook(Deno.args.slice(2)));
