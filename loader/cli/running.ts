/** The command `run`, and the words that others share with it. */
import type { Argument, Command, Option } from './command.js'

/** Where a program on a medium means that one. */
export const OWN_MEDIUM: Argument = {
  name: 'medium',
  help: 'the folder or drive with the copied titles',
  ownMedium: true
}

export const U32 = 0xffffffff

export const LIMITS: readonly Option[] = [
  {
    name: 'memory',
    value: 'MiB',
    whole: [1, 4096],
    help: 'memory it may use (default: 64, or what it asks for)'
  },
  {
    name: 'cpu',
    value: 'ms',
    whole: [1, U32],
    help: 'time it may compute (default: 300 s, or what it asks for)'
  },
  {
    name: 'time',
    value: 'ms',
    whole: [1, U32],
    help: 'time it may take, waiting included (default: no limit)'
  },
  {
    name: 'seed',
    value: 'n',
    whole: [0, Number.MAX_SAFE_INTEGER],
    help: 'a clock and randomness that are the same at every run'
  }
]

export const ENGINE: readonly Option[] = [
  {
    name: 'engine',
    value: 'name',
    choices: ['quickjs', 'ses'],
    help: 'quickjs keeps no source text in memory; ses computes faster (default: as the title says)'
  },
  {
    name: 'isolation',
    value: 'where',
    choices: ['inline', 'thread'],
    help: 'where quickjs runs (default: thread on a terminal, so that Ctrl-C always works; otherwise inline)'
  }
]

/** The one that people and programs wait for, which starts from a bundle of its own. */
export const RUN: Command = {
  name: 'run',
  summary: 'run a title from its medium',
  arguments: [
    OWN_MEDIUM,
    { name: 'title', optional: true, help: 'which title; may be left out when there is one, or one of yours' }
  ],
  options: [
    ...ENGINE,
    {
      name: 'allow',
      value: 'permission',
      repeated: true,
      help: 'let the title use it: terminal, save, net, or net=<host> for that host alone'
    },
    ...LIMITS
  ],
  rest: 'words for the title',
  details:
    "The exit code is the title's own, 0 to 63. With --json its output goes to stderr.\n" +
    'What a title asks for and has not been given, you are asked for once; --allow gives it for this run.',
  examples: [
    'coffer run stick',
    'coffer run stick org.example.hello -- Ada',
    'coffer run stick org.example.wick --allow terminal --allow save'
  ],
  load: () => import('./commands/run.js')
}
