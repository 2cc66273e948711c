"""What check.py refuses, and what it does not: python3 -m unittest discover -s supply-chain"""
import json, pathlib, tomllib, unittest

import check

HERE = pathlib.Path(__file__).resolve().parent
ADVISORIES = tomllib.loads((HERE / "advisories.toml").read_text())["advisory"]


class Holes(unittest.TestCase):
    def found(self, name, version, accepted=()):
        return [sentence.split()[4].rstrip(":") for sentence in check.known_holes([(name, version)], ADVISORIES, accepted)]

    def test_a_version_with_a_hole_is_found_and_the_next_is_not(self):
        for name, version, holes in [
            ("rustls", "0.23.44", ["RUSTSEC-2026-0285"]), ("rustls", "0.23.45", []), ("rustls", "0.21.12", []),
            ("h2", "0.3.25", ["RUSTSEC-2024-0332", "RUSTSEC-2026-0258"]), ("h2", "0.4.15", ["RUSTSEC-2026-0258"]), ("h2", "0.4.16", []),
            ("aes-gcm", "0.10.2", ["RUSTSEC-2023-0096"]), ("aes-gcm", "0.9.4", []),
            ("rustls-webpki", "0.104.0-alpha.5", ["RUSTSEC-2026-0098", "RUSTSEC-2026-0099", "RUSTSEC-2026-0104"]),
            ("rustls-webpki", "0.104.0-alpha.7", []), ("tar-but-another", "0.4.1", []),
        ]:
            self.assertEqual(self.found(name, version), holes, f"{name} {version}")

    def test_an_exception_excepts_one_and_is_told_when_it_is_stale(self):
        rsa = [("rsa", "0.9.10")]
        self.assertEqual(self.found("rsa", "0.9.10"), ["RUSTSEC-2023-0071"])
        self.assertEqual(self.found("rsa", "0.9.10", ["RUSTSEC-2023-0071"]), [])
        self.assertEqual(check.stale(rsa, ADVISORIES, ["RUSTSEC-2023-0071"]), [])
        self.assertEqual(len(check.stale([], ADVISORIES, ["RUSTSEC-2023-0071"])), 1)

    def test_requirements_are_read_as_the_advisories_mean_them(self):
        for version, requirement, ok in [
            ("0.3.26", "^0.3.26", True), ("0.4.0", "^0.3.26", False), ("1.9.0", "^1.2", True), ("2.0.0", "^1.2", False),
            ("1.2.1+spec-1.1.0", ">= 1.2.1", True), ("0.10.0", ">= 0.9.3, < 0.10.0", False), ("1.0.0-alpha.1", ">= 1.0.0", False),
            ("1.0.0-alpha.10", ">= 1.0.0-alpha.9", True), ("0.9", "= 0.9.0", True),
        ]:
            self.assertEqual(check.fits(version, requirement), ok, f"{version} {requirement}")


class Licences(unittest.TestCase):
    def test_one_way_to_meet_an_expression_is_enough_and_every_part_counts(self):
        allowed = ["MIT", "Apache-2.0", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"]
        for expression, ok in [
            ("MIT", True), ("GPL-2.0-only", False), ("Apache-2.0 OR GPL-2.0-only", True), ("MIT AND GPL-2.0-only", False), ("MIT/Apache-2.0", True),
            ("(MIT OR GPL-2.0-only) AND Unicode-3.0", True), ("(GPL-2.0-only OR LGPL-3.0-only) AND MIT", False), ("none", False),
            ("Apache-2.0 WITH LLVM-exception OR X", True), ("Apache-2.0 WITH Other", False), ("GPL-2.0-only OR MIT AND X", False),
        ]:
            self.assertEqual(check.is_allowed(expression, allowed), ok, expression)


class Whole(unittest.TestCase):
    def test_the_repository_is_as_its_policy_says(self):
        self.assertEqual(list(check.problems()), [])

    def test_the_bill_of_materials_names_every_crate_once_and_its_checksum(self):
        known = check.metadata()
        packages = check.shipped(known)
        bill = json.loads(check.sbom(packages, known, HERE.parent / "Cargo.lock"))
        refs = [component["bom-ref"] for component in bill["components"]]
        self.assertEqual((len(refs), len(set(refs))), (len(packages) - 1,) * 2)
        without = {c["name"] for c in bill["components"] if "hashes" not in c}
        self.assertEqual(without, {"authcore", "fieldcrypt"})
        self.assertFalse({"syn", "serde_derive"} & {c["name"] for c in bill["components"]}, "macros are in no binary")


if __name__ == "__main__":
    unittest.main()
