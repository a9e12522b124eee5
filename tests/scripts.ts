/**
 * Scripts that tests write and have executed.
 *
 * @module
 */

/**
 * Writes a script that can be executed at once.
 *
 * Linux executes no file that somebody has open to write ("Text file busy"), and a process that
 * another test starts at that moment has for an instant what this process has open. So it is
 * written by a process that has nothing to do but that.
 */
export async function writeScript(path: string, text: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", 'printf %s "$2" > "$1" && chmod 755 "$1"', "sh", path, text],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
