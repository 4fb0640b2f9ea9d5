import re
from pathlib import Path

from odoo.tests import HttpCase, no_retry, tagged
from odoo.tools.misc import file_path

MOBILE = 'test.tags("mobile");'


class HootCase(HttpCase):
    """The unit tests of the add-on's own widgets and pages in the browser, each of them run and none left out."""

    def run_hoot(self, preset, expected):
        """Run the tests that are for a preset.

        :param preset: one of Odoo's: ``desktop`` or ``mobile``
        :param expected: how many tests have to pass
        """
        self.assertTrue(expected, "There is no test of this kind.")
        # Odoo's page loads the tests of every add-on; it is the same page with those of this one only.
        page = self.env.ref("web.unit_tests_suite")
        self.assertIn('"web.assets_unit_tests"', page.arch_db)
        page.arch_db = page.arch_db.replace('"web.assets_unit_tests"', '"psa_hub.assets_unit_tests"')
        tag = "&tag=mobile" if preset == "mobile" else ""
        try:
            with self.assertLogs(self._logger.getChild("browser"), "INFO") as console:
                self.browser_js(
                    f"/web/tests?headless&loglevel=1&preset={preset}&timeout=15000{tag}", "", "", login="admin",
                    timeout=120, success_signal="[HOOT] Test suite succeeded",
                    error_checker=lambda message: "[HOOT]" not in message)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *console.output])) from None
        passed = re.findall(r"\[HOOT\] Passed (\d+) tests", "\n".join(console.output))
        self.assertEqual(passed, [str(expected)], "\n".join(console.output))

    def count_tests(self):
        """Return the number of tests in the sources: ``(all, those for a narrow screen)``."""
        sources = [path.read_text() for path in Path(file_path("psa_hub/static/tests")).glob("*.test.js")]
        return (sum(len(re.findall(r"^test\(", source, re.MULTILINE)) for source in sources),
                sum(source.count(MOBILE) for source in sources))


@tagged("post_install", "-at_install")
class TestHoot(HootCase):

    browser_size = "1366x768"

    @no_retry
    def test_desktop(self):
        every, narrow = self.count_tests()
        self.run_hoot("desktop", every - narrow)


@tagged("post_install", "-at_install")
class TestHootMobile(HootCase):

    browser_size = "375x667"
    touch_enabled = True

    @no_retry
    def test_mobile(self):
        _every, narrow = self.count_tests()
        self.run_hoot("mobile", narrow)
