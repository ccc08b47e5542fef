# Runs files of SQLite's own tests, named in SQLITE_TEST_PATTERN_LIST, out of the folder
# SQLITE_TEST_SUITE, each in an interpreter of its own. For SQLite's testfixture.
set argv0 [file join $env(SQLITE_TEST_SUITE) run.tcl]
set argv {}
set testdir $env(SQLITE_TEST_SUITE)
# What several clients do is done by one process only, not by several as well.
set ::G(valgrind) 1
source $testdir/permutations.test
run_test_suite veryquick
finish_test
