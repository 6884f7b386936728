//! Rows for people: columns as wide as their widest cell.

use super::plain;

/// Lays out rows under a head; columns named in `right` are numbers.
pub(super) fn lay_out(head: &[&str], right: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| plain::line(cell)).collect())
        .collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let parts: Vec<String> = cells
            .iter()
            .zip(head)
            .zip(&widths)
            .map(|((cell, name), &width)| {
                if right.contains(name) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        parts.join("  ").trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    std::iter::once(line(&head))
        .chain(rows.iter().map(|row| line(row)))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [
            vec!["goals".to_owned(), "12".to_owned()],
            vec!["a".to_owned(), "1,024".to_owned()],
        ];
        let shown = super::lay_out(&["table", "rows"], &["rows"], &rows);
        assert_eq!(shown, "table   rows\ngoals     12\na      1,024");
        let forged = [vec!["a\nb".to_owned(), "1".to_owned()]];
        let shown = super::lay_out(&["table", "rows"], &["rows"], &forged);
        assert_eq!(shown, "table  rows\na\\nb      1");
    }
}
