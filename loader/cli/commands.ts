/** Every command of `coffer`, in the order in which a person needs them. Help, errors and parsing come from here. */
import type { Argument, Command, Option } from './command.js'
import { ENGINE, LIMITS, OWN_MEDIUM, RUN, U32 } from './running.js'

const WITH_MANAGER: Option = {
  name: 'with-manager',
  help: 'put this program there too, as one file: "node coffer.mjs run" needs nothing else'
}
const MASTER: Argument = { name: 'master', help: 'a folder of sealed titles, or one sealed title' }
const TITLE: Argument = { name: 'title', help: 'which title' }
const ASKING: Option = {
  name: 'center',
  value: 'URL',
  help: 'where to ask (default: where the center was pinned from)'
}
const MAX_PRICE: Option = {
  name: 'max-price',
  value: 'amount',
  help: 'the most that it may cost, such as 9.00EUR; asked at a terminal otherwise'
}
const ORDERING: readonly Option[] = [
  { name: 'title', value: 'id', help: 'which title; may be left out when the master has one' },
  {
    name: 'release',
    value: 'n',
    whole: [1, U32],
    help: 'which release, also an older one than is there (default: the newest on the master)'
  },
  { name: 'trial', help: 'borrow it to try it for nothing, where the seller offers that' },
  { name: 'bearer', help: 'bind the copy to the medium alone: whoever holds it can use it' }
]

export const COMMANDS: readonly Command[] = [
  {
    name: 'keygen',
    summary: "make your user key, or a publisher's key, and print its public half",
    arguments: [],
    options: [{ name: 'publisher', value: 'file', help: "make a publisher's key in this file instead" }],
    details:
      'The key stays on this machine, in a file that only you can read. What is bought with it needs it: back it up.',
    examples: ['coffer keygen', 'coffer keygen --publisher pub.key'],
    load: () => import('./commands/keygen.js')
  },
  {
    name: 'trust',
    summary: 'pin a license center and show its fingerprint',
    arguments: [{ name: 'center', help: 'the URL of the center, or a file with its root records' }],
    options: [],
    details:
      'Compare the fingerprint with the one that the seller publishes before you buy or press anything.',
    examples: ['coffer trust https://center.example', 'coffer trust roots.bin'],
    load: () => import('./commands/trust.js')
  },
  {
    name: 'press',
    summary: "make a sealed title from an app's source",
    arguments: [{ name: 'app', help: 'a folder with a package.json, or one .ts or .js file' }],
    options: [
      { name: 'out', value: 'folder', required: true, help: 'the master that the title is put on' },
      { name: 'center', value: 'URL', required: true, help: 'the license center, pinned before' },
      { name: 'publisher', value: 'file', required: true, help: 'the key of the publisher' },
      {
        name: 'scheme',
        value: 'name',
        choices: ['certificate', 'conversion'],
        help: 'certificate (default): one ciphertext for all; conversion: another one on every medium'
      },
      WITH_MANAGER
    ],
    examples: [
      'coffer press samples/titles/hello --out master --center http://127.0.0.1:8787 --publisher pub.key'
    ],
    load: () => import('./commands/press.js')
  },
  {
    name: 'devices',
    summary: 'the drives here that can be prepared: label, free space, serial number and what that is worth',
    arguments: [],
    options: [],
    examples: ['coffer devices', 'coffer devices --json'],
    load: () => import('./commands/devices.js')
  },
  {
    name: 'prepare',
    summary: 'make a folder or drive a medium that titles can be copied to',
    arguments: [{ name: 'folder', help: 'the folder, or the root of the drive' }],
    options: [
      {
        name: 'kind',
        value: 'kind',
        choices: ['folder', 'drive'],
        help: 'folder (default): known by its place on this machine; drive: by the serial number in its hardware'
      }
    ],
    examples: ['coffer prepare stick', 'coffer prepare /media/usb --kind drive'],
    load: () => import('./commands/prepare.js')
  },
  {
    name: 'copy',
    summary: 'order a title for a medium, and install it there',
    arguments: [MASTER, OWN_MEDIUM],
    options: [
      ...ORDERING,
      { name: 'center', value: 'URL', help: 'where to order (default: where the center was pinned from)' },
      MAX_PRICE,
      WITH_MANAGER
    ],
    details: 'Ordering again for the same medium costs nothing.',
    examples: ['coffer copy master stick --title org.example.hello'],
    load: () => import('./commands/copy.js')
  },
  {
    name: 'order',
    summary: 'order a copy without a network, first half: write a request file',
    arguments: [MASTER, OWN_MEDIUM],
    options: [
      ...ORDERING,
      { name: 'transfer', help: 'an order that someone else can hand his copy on for' },
      { name: 'out', value: 'file', required: true, help: 'the request, to carry to the center' }
    ],
    examples: ['coffer order master stick --title org.example.hello --out hello.request'],
    load: () => import('./commands/order.js')
  },
  {
    name: 'apply',
    summary: "order a copy without a network, second half: install the center's answer",
    arguments: [{ name: 'answer', help: 'the file that the center made of the request' }, OWN_MEDIUM],
    options: [
      { name: 'master', value: 'master', help: `${MASTER.help}; not needed for a renewal or return` },
      {
        name: 'release',
        value: 'n',
        whole: [1, U32],
        help: 'go back to this release, older than the one there'
      }
    ],
    examples: ['coffer apply hello.answer stick --master master'],
    load: () => import('./commands/apply.js')
  },
  RUN,
  {
    name: 'renew',
    summary: 'a fresh grant for a copy: another term of a lease, or the same again',
    arguments: [OWN_MEDIUM, TITLE],
    options: [
      ASKING,
      MAX_PRICE,
      { name: 'out', value: 'file', help: 'write the request to this file instead, to carry to the center' }
    ],
    details:
      'A lease costs what its seller asks for another term; what has been bought for good costs nothing.\n' +
      'By files: "coffer apply <answer> <medium>" afterwards.',
    examples: [
      'coffer renew stick org.example.hello',
      'coffer renew stick org.example.hello --out hello.request'
    ],
    load: () => import('./commands/renew.js')
  },
  {
    name: 'return',
    summary: 'give a copy back: the medium gives it up first, then the center credits it',
    arguments: [OWN_MEDIUM, TITLE],
    options: [
      ASKING,
      { name: 'out', value: 'file', help: 'write the return to this file instead, to carry to the center' }
    ],
    details:
      'The title runs no more, at once and for good. What it saved stays on the medium.\n' +
      'If it is interrupted, repeat it: nothing is returned twice, and nothing is lost.',
    examples: ['coffer return stick org.example.hello'],
    load: () => import('./commands/return.js')
  },
  {
    name: 'transfer',
    summary: 'move a copy to another medium, or hand it on to someone else',
    arguments: [OWN_MEDIUM, TITLE],
    options: [
      { name: 'to', value: 'medium', help: 'another medium of yours; what the title saved comes along' },
      {
        name: 'master',
        value: 'master',
        help: 'where the sealed title comes from (scheme conversion needs it)'
      },
      { name: 'order', value: 'file', help: 'someone else\'s, made with "coffer order ... --transfer"' },
      { name: 'answer', value: 'file', help: "where the center's answer goes, for him to apply" },
      ASKING,
      {
        name: 'out',
        value: 'file',
        help: 'with --order: write the return to this file, to carry to the center'
      }
    ],
    details: 'The copy leaves the first medium before it is on the second. If it is interrupted, repeat it.',
    examples: [
      'coffer transfer stick org.example.hello --to card',
      'coffer transfer stick org.example.hello --order hers.request --answer hers.answer'
    ],
    load: () => import('./commands/transfer.js')
  },
  {
    name: 'export',
    summary: 'what a title saved on a medium, as a file that only you can open',
    arguments: [OWN_MEDIUM, TITLE],
    options: [{ name: 'out', value: 'file', required: true, help: 'the file that the saves are put into' }],
    details:
      'The file opens with your user key alone, for this title alone. Nothing on the medium changes.\n' +
      'It works after a lease has ended, too; not after the copy was returned.',
    examples: ['coffer export stick org.example.wick --out wick.saves'],
    load: () => import('./commands/export.js')
  },
  {
    name: 'import',
    summary: 'put exported saves in the place of those on a medium',
    arguments: [{ name: 'file', help: 'what "coffer export" made' }, OWN_MEDIUM],
    options: [
      { name: 'replace', help: 'also in the place of saves that are newer than the file, or apart from it' }
    ],
    details: 'All of them, in one step, or none: a file that does not fit changes nothing.',
    examples: ['coffer import wick.saves card', 'coffer import wick.saves stick --replace'],
    load: () => import('./commands/import.js')
  },
  {
    name: 'list',
    summary: 'the titles on a medium or master',
    arguments: [{ name: 'folder', help: 'a medium, a master, or one sealed title', ownMedium: true }],
    options: [],
    examples: ['coffer list stick', 'coffer list master'],
    load: () => import('./commands/list.js')
  },
  {
    name: 'inspect',
    summary: 'everything that a file or medium says openly: who, what, when, and how strongly bound',
    arguments: [
      {
        name: 'path',
        help: 'a record, a sealed title, exported saves, a medium or a master',
        ownMedium: true
      }
    ],
    options: [],
    examples: ['coffer inspect stick', 'coffer inspect hello.answer'],
    load: () => import('./commands/inspect.js')
  },
  {
    name: 'verify',
    summary: "check titles on a medium without running them: CS against CS', and every byte",
    arguments: [OWN_MEDIUM, { name: 'title', optional: true, help: 'which title (default: all of them)' }],
    options: [],
    examples: ['coffer verify stick', 'coffer verify stick org.example.hello --json'],
    load: () => import('./commands/verify.js')
  },
  {
    name: 'dev',
    summary: "run an app's source in the same sandbox, unsealed, for its author",
    arguments: [{ name: 'app', help: 'a folder with a package.json, or one .ts or .js file' }],
    options: [
      ...ENGINE,
      { name: 'feature', value: 'name', repeated: true, help: 'as if it had been bought with the title' },
      ...LIMITS
    ],
    rest: 'words for the app',
    details: 'It gets what its package.json asks for. What it saves is kept in memory and gone at the end.',
    examples: ['coffer dev samples/titles/hello -- Ada'],
    load: () => import('./commands/dev.js')
  },
  {
    name: 'help',
    summary: 'explain a command',
    arguments: [{ name: 'command', optional: true, help: 'which command (default: what there is)' }],
    options: [],
    examples: ['coffer help run'],
    load: () => import('./commands/help.js')
  },
  {
    name: 'version',
    summary: 'the version of this program',
    arguments: [],
    options: [],
    examples: ['coffer version'],
    load: () => import('./commands/version.js')
  }
]
