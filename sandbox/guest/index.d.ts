/** Everything a title is written against: the `coffer:` modules and the web-standard globals. */
/// <reference path="./coffer.d.ts" />
/// <reference path="./globals.d.ts" />
