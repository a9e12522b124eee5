/**
 * What a command is: a parser for its words, which answers what to do.
 *
 * @module
 */
import { map } from "@optique/core/modifiers";
import { type Message, text } from "@optique/core/message";
import type { Parser } from "@optique/core/parser";
import type { Terminal } from "./ui/terminal.ts";

/** What a command has at hand. */
export interface Context {
  readonly terminal: Terminal;
  /**
   * Answers what aborts when the user or the system wants the program to end. Whoever takes it ends by
   * itself, with all in order; until somebody does, the program ends at once.
   *
   * @throws {BackupError} `interrupted` when that was wanted already.
   */
  takeSignal(): AbortSignal;
}

/** Does what the words on the command line ask for, and answers the exit status. */
export type Invocation = (context: Context) => Promise<number>;

/** A command, as `commands/mod.ts` registers it. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: Message;
  /** A few sentences for its own help. */
  readonly description: Message;
  readonly parser: Parser<"sync", Invocation>;
}

/** What a command's file declares. */
export interface CommandDeclaration<Values> {
  /** Lower-case, third person, no full stop. */
  readonly summary: string;
  readonly description: string;
  /** The one declaration of its flags and arguments. */
  readonly parameters: Parser<"sync", Values>;
  execute(values: Values, context: Context): Promise<number>;
}

/** Declares a command; the types of its values follow from its parameters. */
export function defineCommand<Values>(declaration: CommandDeclaration<Values>): Command {
  const { summary, description, parameters, execute } = declaration;
  return {
    summary: [text(summary)],
    description: [text(description)],
    parser: map(parameters, (values): Invocation => (context) => execute(values, context)),
  };
}
