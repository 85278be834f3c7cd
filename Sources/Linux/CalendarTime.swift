/// Instants as people write them.
public enum CalendarTime {
    /// An instant in UTC by RFC 3339, such as `2026-01-31T23:59:59.999Z`.
    ///
    /// - Parameter milliseconds: Unix time in milliseconds, not negative.
    /// - Returns: The text.
    public static func text(_ milliseconds: Int64) -> String {
        let seconds = milliseconds / 1000
        let (year, month, day) = date(days: seconds / 86_400)
        let second = seconds % 86_400
        let date = "\(year)-\(two(month))-\(two(day))"
        let time = "\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
        let fraction = String(1000 + milliseconds % 1000).dropFirst()
        return "\(date)T\(time).\(fraction)Z"
    }

    /// The Gregorian date `days` after 1970-01-01, counted in 400-year cycles that begin in March.
    private static func date(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let cycle = shifted / 146_097
        let dayOfCycle = shifted % 146_097
        let yearOfCycle = (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0)
        return (year, month, day)
    }

    private static func two(_ value: Int64) -> String {
        value < 10 ? "0\(value)" : String(value)
    }
}
