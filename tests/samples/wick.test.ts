import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CofferError } from '../../formats/errors.js'
import { launch, type SaveStore } from '../../sandbox/index.js'
import { keysOf, testTerminal } from './helpers/terminal.js'
import {
  ENGINES,
  bundleTitle,
  runTitle,
  saveStore,
  startTitle,
  type Run,
  type RunOptions
} from './helpers/titles.js'

const wick = await bundleTitle('samples/titles/wick')
/** The same rules, with exports that look at them from inside. */
const probe = {
  ...(await bundleTitle('tests/samples/probes/wick.ts')),
  assets: wick.assets,
  limits: wick.limits
}

/** Without a screen, as in a pipe, unless a terminal is given. */
const play = (engine: (typeof ENGINES)[number], options: RunOptions): Promise<Run> =>
  runTitle(wick, engine, {
    terminal: testTerminal([], { interactive: false }),
    save: saveStore(),
    ...options
  })

/** Explore and fight, with a look at the pack, the help and the messages, then go down. */
const LEG = 'offfofffia?xmx'.repeat(4) + '>>'

test('wick plays the same game on both engines', async () => {
  const maps = new Set<string>()
  for (const seed of [1, 7, 4294967295]) {
    const args = ['--seed', String(seed), '--keys', LEG]
    const [quickjs, ses] = await Promise.all(ENGINES.map(engine => play(engine, { args })))
    assert.is(quickjs!.exitCode, 0)
    assert.is(quickjs!.stdout, ses!.stdout)
    maps.add(/^map +([0-9a-f]{8})$/m.exec(quickjs!.stdout)![1]!)
  }
  assert.is(maps.size, 3, 'each seed makes a game of its own')
})

test('wick draws the same pictures on both engines, and gives the terminal back', async () => {
  for (const [columns, rows] of [
    [80, 24],
    [120, 40],
    [40, 12],
    [30, 8]
  ] as const) {
    const terminals = ENGINES.map(() =>
      testTerminal(keysOf('x', ...'ooffi', 'escape', ...'mx?xoq'), { columns, rows })
    )
    await Promise.all(
      ENGINES.map((engine, index) =>
        play(engine, { args: ['--seed=7'], terminal: terminals[index]! }).then(({ exitCode }) =>
          assert.is(exitCode, 0)
        )
      )
    )
    assert.is(terminals[0]!.written, terminals[1]!.written, `${columns} by ${rows}`)
    assert.ok(terminals[0]!.restored)
  }
})

test('wick fits 80 by 24: floor and turn above, bars and messages below, the hero between', async () => {
  const pictures: string[][] = []
  const terminal = testTerminal(keysOf('x', 'o', '?', 'x', 'q'), {
    onKey: ({ picture }) => pictures.push(picture())
  })
  await play('quickjs', { args: ['--seed', '7'], terminal })
  const [title, start, explored, help] = pictures
  assert.match(title!.join('\n'), 'You have a candle.')
  assert.match(start![0]!, /^ {2}The Cellars, floor 1 of 6 +turn 0 {2}score 0$/)
  assert.match(start![20]!, /Health =+ 20\/20 .*Candle =+-* 300 .*Rank 1/)
  assert.match(start![21]!, 'You climb down into the Cellars.')
  assert.is(start!.join('').split('@').length, 2, 'one hero')
  assert.not.equal(explored, start)
  assert.match(help!.join('\n'), /How to play\n[^]*and light it\.\n+ *Any key goes back\./)
})

test('wick uses colours, and none with --plain', async () => {
  for (const args of [
    ['--seed', '7'],
    ['--seed', '7', '--plain']
  ]) {
    const terminal = testTerminal(keysOf('x', 'o', 'q'))
    await play('quickjs', { args, terminal })
    assert.is(terminal.written.includes('\x1b[38;5;'), !args.includes('--plain'))
  }
})

test('wick asks for a larger window where nothing fits', async () => {
  let picture: string[] = []
  const terminal = testTerminal(keysOf('x', 'q'), {
    columns: 30,
    rows: 8,
    onKey: now => (picture = now.picture())
  })
  await play('quickjs', { args: ['--seed', '7'], terminal })
  assert.is(picture[0], 'Wick needs a larger window.')
})

test('wick draws anew when the window changes its size', async () => {
  let columns = 80
  const inner = testTerminal(keysOf('x', 'o', 'q'), {
    columns: 120,
    rows: 40,
    onKey: () => (columns = 120)
  })
  const terminal = { ...inner, size: () => ({ columns, rows: columns === 80 ? 24 : 40 }) }
  const { exitCode } = await play('quickjs', { args: ['--seed', '7'], terminal })
  assert.is(exitCode, 0)
  assert.is(inner.written.split('\x1b[2J').length - 1, 2, 'erased once per size')
})

test('wick goes on from a save as if it had never been left, on the other engine too', async () => {
  const seed = ['--seed', '1']
  const whole = await play('quickjs', { args: [...seed, '--keys', LEG + LEG] })
  assert.match(whole.stdout, 'on floor 2', 'the legs should lead over a flight of stairs')
  for (const [first, second] of [ENGINES, [...ENGINES].reverse()] as const) {
    const save = saveStore()
    await play(first!, { args: [...seed, '--keys', LEG], save })
    assert.equal([...save.slots.keys()], ['game'])
    const rest = await play(second!, { args: ['--keys', LEG], save })
    assert.is(rest.stdout, whole.stdout, `${first} then ${second}`)
  }
})

test('wick saves on every new floor, and when it is left', async () => {
  const inner = saveStore()
  const floors: number[] = []
  const commit: SaveStore['commit'] = changes => {
    for (const { bytes } of changes) floors.push(JSON.parse(new TextDecoder().decode(bytes)).game.level.floor)
    return inner.commit(changes)
  }
  await play('ses', { args: ['--seed', '1', '--keys', LEG + LEG], save: { ...inner, commit } })
  assert.equal(floors, [2, 2])
})

test('wick plays on where the medium takes no saves, and says so', async () => {
  const commit: SaveStore['commit'] = () => {
    throw new CofferError('COFFER_DISK_FULL', 'Cannot write the save: there is no space left.')
  }
  for (const engine of ENGINES) {
    const save = { ...saveStore(), commit }
    const { exitCode, stdout, stderr } = await play(engine, {
      args: ['--seed', '1', '--keys', LEG + LEG],
      save
    })
    assert.is(exitCode, 4)
    assert.match(stdout, /^Wick: not saved, on floor 2$/m)
    assert.is(stderr, 'The game could not be saved. Cannot write the save: there is no space left.\n')
  }
})

test('wick saves and leaves when its input ends', async () => {
  for (const interactive of [true, false]) {
    const save = saveStore()
    const terminal = testTerminal(keysOf('x', 'o'), { interactive })
    const { exitCode, stdout } = await play('quickjs', { args: ['--seed', '7'], save, terminal })
    assert.is(exitCode, 0)
    assert.match(stdout, /^Wick: saved, on floor 1$/m)
    assert.ok(save.slots.has('game'))
    assert.is(terminal.restored, true)
  }
})

test('wick begins anew with --new, and goes on without', async () => {
  const save = saveStore()
  const first = await play('quickjs', { args: ['--seed', '7', '--keys', 'ooo'], save })
  assert.is((await play('quickjs', { args: ['--keys', ''], save })).stdout, first.stdout)
  assert.match((await play('quickjs', { args: ['--new', '--keys', ''], save })).stdout, /^turn +0$/m)
})

test('wick ends a game for good, and remembers it', async () => {
  const save = saveStore()
  // Who only waits is left without a candle after 300 turns, and does not outlive that by long.
  const { stdout } = await play('ses', { args: ['--seed', '7', '--keys', '.'.repeat(600)], save })
  assert.match(stdout, /^Wick: (lost in the dark|killed by .+), on floor 1$/m)
  assert.match(stdout, /^health +0\//m)
  assert.equal([...save.slots.keys()], ['best'])
  const best = JSON.parse(new TextDecoder().decode(save.slots.get('best')))
  assert.is(best.length, 1)
  assert.is(best[0].floor, 1)
})

test('wick can be won', async () => {
  await using guest = await startTitle(probe, 'ses', { capabilities: { assets: probe.assets } })
  for (let seed = 1; seed <= 20; seed++) {
    const { keys, cause } = (await guest.call('playWell', seed)) as { keys: string; cause: string }
    if (cause !== 'lit the Hearth') continue
    const save = saveStore()
    const { stdout } = await play('ses', { args: ['--seed', String(seed), '--keys', keys], save })
    assert.match(stdout, /^Wick: lit the Hearth, on floor 6$/m)
    assert.ok(save.slots.has('best') && !save.slots.has('game'))
    return
  }
  assert.unreachable('twenty games, and none was won')
})

test('wick makes floors that can be walked to their end', async () => {
  await using guest = await startTitle(probe, 'ses', { capabilities: { assets: probe.assets } })
  const first = 1 + Math.floor(Math.random() * 2 ** 31)
  const problems: unknown[] = []
  // The first of these put the Hearth where the hero starts.
  for (const seed of [1634441021, ...Array.from({ length: 40 }, (_, i) => first + i)]) {
    problems.push(...((await guest.call('floorProblems', seed)) as string[]))
  }
  assert.equal(problems, [], `seeds from ${first}`)
})

test('wick says what is wrong with its arguments', async () => {
  for (const args of [
    ['--seed', '0'],
    ['--seed', '4294967296'],
    ['--seed'],
    ['--seed', '1e3'],
    ['--keys'],
    ['--fast'],
    ['x']
  ]) {
    const { exitCode, stdout, stderr } = await play('quickjs', { args })
    assert.is(exitCode, 2, args.join(' '))
    assert.is(stdout, '')
    assert.match(stderr, '--seed <number>')
  }
  const help = await play('quickjs', { args: ['--help'] })
  assert.is(help.exitCode, 0)
  assert.match(help.stdout, '--keys <script>')
})

test('wick leaves the save of another release alone', async () => {
  const save = saveStore()
  const other = new TextEncoder().encode('{"version":99}')
  save.slots.set('game', other)
  const { exitCode, stderr } = await play('quickjs', { args: ['--keys', 'o'], save })
  assert.is(exitCode, 3)
  assert.match(stderr, '--new')
  assert.equal(save.slots.get('game'), other)
})

test('wick is quick enough to play on QuickJS', async () => {
  // What a turn costs beside a loop on the same engine, at the same time: what keeps one from its turn keeps the other.
  const yardstick = await launch(
    new TextEncoder().encode(
      'export const count = () => { let n = 0; for (let i = 0; i < 1e5; i++) n += i; return n }'
    )
  )
  const turns: number[] = []
  const loops: number[] = []
  let last = performance.now()
  const terminal = testTerminal(keysOf('x', ...'.'.repeat(40)), {
    onKey() {
      const now = performance.now()
      turns.push(now - last)
      yardstick.callSync('count')
      last = performance.now()
      loops.push(last - now)
    }
  })
  await play('quickjs', { args: ['--seed', '7'], terminal })
  await yardstick.dispose()
  const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1]!
  const [loopMs, turnMs, startMs] = [median(loops), median(turns.slice(2)), turns[0]!]
  console.log(
    `wick: first picture after ${startMs.toFixed(0)} ms, ${turnMs.toFixed(1)} ms a turn, ${loopMs.toFixed(1)} ms a loop`
  )
  // 50 ms, which a player would notice, and 3 s, on a machine where a loop takes 7.
  assert.ok(turnMs < 7 * loopMs, `${turnMs} ms a turn, ${loopMs} ms a loop`)
  assert.ok(startMs < 420 * loopMs, `first picture after ${startMs} ms, ${loopMs} ms a loop`)
})

test.run()
