/** `coffer-center user`: who orders. */
import type { Program } from '../command.js'
import { enrolmentChoice } from '../typed.js'

export function user({ group, show }: Program): void {
  const action = group(
    'user',
    'who orders',
    '  coffer-center user shop\n  coffer-center user shop show 4f1d9a\n  coffer-center user shop enrolment closed'
  )
  action('list <folder>', 'the users').action(folder => show(commands => commands.listUsers(folder)))
  action('show <folder> <user>', 'one user: copies, what is owed').action((folder, id) =>
    show(commands => commands.showUser(folder, id))
  )
  action('add <folder> <public-key>', 'add a user by hand, where enrolment is closed')
    .option('--name <name>', 'how you call this user')
    .action((folder, key, { name }) => show(commands => commands.addUser(folder, key, name)))
  action('block <folder> <user>', 'no new grants').action((folder, id) =>
    show(commands => commands.blockUser(folder, id, true))
  )
  action('unblock <folder> <user>', 'grants again').action((folder, id) =>
    show(commands => commands.blockUser(folder, id, false))
  )
  action(
    'enrolment <folder> [choice]',
    '"open": a first order makes a user; "closed": only "user add" does'
  ).action((folder, choice) => show(commands => commands.enrolment(folder, enrolmentChoice(choice))))
}
