/** Names of the host's world that shared types mention; code in this folder has nothing but the language itself. */
interface AbortSignal {}
