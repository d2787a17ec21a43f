import { Argument, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Context } from "../context.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

/** What a shell runs to learn the words that may come next: all words so far, the one being typed last. */
const scripts: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `_getaredis() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(getaredis complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _getaredis getaredis
`,
  zsh: `#compdef getaredis
_getaredis() {
  local -a found
  found=("\${(@f)$(getaredis complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _getaredis getaredis
`,
  fish: `complete -c getaredis -f -a '(getaredis complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
};

/** `completion`: what a shell needs to complete commands and options. */
export function addCompletion(program: CommandUnknownOpts, { show }: Context): void {
  program
    .command("completion")
    .description('Print what a shell completes by: eval "$(getaredis completion bash)"')
    .addArgument(new Argument("<shell>", "your shell").choices(SHELLS))
    .action((shell) => show.text(scripts[shell]));

  program
    .command("complete", { hidden: true })
    .argument("[words...]")
    .action((words) =>
      show.text(
        candidates(program, words)
          .map((word) => `${word}\n`)
          .join(""),
      ),
    );
}

/** What may stand in place of the last word. */
export function candidates(program: CommandUnknownOpts, words: readonly string[]): readonly string[] {
  const [typed = "", ...before] = words.toReversed();
  let command = program;
  for (const word of before.toReversed()) {
    const next = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (next) command = next;
  }
  const help = command.createHelp();
  const options = [...help.visibleOptions(command), ...(command === program ? [] : help.visibleGlobalOptions(command))];
  const names = typed.startsWith("-")
    ? options.map(({ long }) => long).filter((name) => typeof name === "string")
    : [
        ...help.visibleCommands(command).map((each) => each.name()),
        ...command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
      ];
  return names.filter((name) => name.startsWith(typed));
}
