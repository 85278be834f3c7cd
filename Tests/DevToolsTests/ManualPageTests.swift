import Testing

@testable import DevTools

@Suite("Manual pages")
struct ManualPageTests {
    @Test("Code keeps its characters when it is copied, and no line is taken for a request")
    func escapes() {
        var page = ManualPage("tool", section: 1, version: "1.2", summary: "does things")
        page.paragraph("Run `tool --all` on C:\\ - or not.")
        page.paragraph(".hidden begins with a dot")
        page.definition("-a 'b'", "'Tis quoted.")
        page.example([".x", "~/^`"])
        #expect(page.text.contains("tool \\- does things\n"))
        #expect(page.text.contains("Run \\fBtool \\-\\-all\\fR on C:\\[rs] - or not.\n"))
        #expect(page.text.contains("\n\\&.hidden begins"))
        #expect(page.text.contains("\n\\fB\\-a \\[aq]b\\[aq]\\fR\n\\&'Tis quoted.\n"))
        #expect(page.text.contains("\n\\&.x\n\\[ti]/\\[ha]\\[ga]\n"))
    }
}
