/**
 * Does things in front of an audience, and stops as soon as something is not as it was said.
 *
 * @module
 */
import type { Narrator } from "./narrator.ts";
import { Broken, type Ending, type Person } from "./program.ts";
import { compareTrees, type Tree } from "./trees.ts";

/** Runs programs and checks claims, and shows both. */
export class Show {
  readonly #person: Person;

  /** The one who talks. */
  readonly narrator: Narrator;

  constructor(narrator: Narrator, person: Person) {
    this.narrator = narrator;
    this.#person = person;
  }

  /**
   * Runs keepsake and shows what it prints.
   *
   * @throws {Broken} When it fails.
   */
  async keepsake(...args: readonly string[]): Promise<Ending> {
    const line = `keepsake ${args.join(" ")}`;
    this.narrator.command(line);
    return this.#ended(line, await this.#person.keepsake(args, this.#pass));
  }

  /**
   * Runs a line in a shell and shows what it prints.
   *
   * @throws {Broken} When it fails.
   */
  async shell(line: string): Promise<Ending> {
    this.narrator.command(line);
    return this.#ended(line, await this.#person.shell(line, this.#pass));
  }

  /** Those of some programs that are not installed. */
  lacking(programs: readonly string[]): Promise<readonly string[]> {
    return this.#person.lacking(programs);
  }

  /** Shows that a claim holds. @throws {Broken} When it does not. */
  check(held: boolean, claim: string): void {
    if (!held) throw new Broken(`Not so: ${claim}`);
    this.narrator.held(claim);
  }

  /** Shows that two trees are the same. @throws {Broken} When they are not. */
  same(first: Tree, second: Tree, claim: string): void {
    const { missing, extra, changed } = compareTrees(first, second);
    this.none([...missing, ...extra, ...changed], "different");
    this.narrator.held(claim);
  }

  /** Goes on without a word when there are no such paths. @throws {Broken} When there are. */
  none(paths: readonly string[], what: string): void {
    if (paths.length === 0) return;
    const more = paths.length > 5 ? ` and ${paths.length - 5} more` : "";
    const many = paths.length === 1 ? "1 path is" : `${paths.length} paths are`;
    throw new Broken(`${many} ${what}: ${paths.slice(0, 5).join(", ")}${more}`);
  }

  readonly #pass = (text: string): void => this.narrator.output(text);

  #ended(line: string, ending: Ending): Ending {
    this.narrator.outputEnds();
    if (ending.status !== 0) throw new Broken(`"${line}" ended with status ${ending.status}`);
    return ending;
  }
}
