//! Misuse that the types refuse: each file under `compile_fail/` must fail to compile, for the reason beside it.

#[test]
fn misuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
