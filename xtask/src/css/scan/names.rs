//! Which literals of an expression are class names.

use syn::visit::{self, Visit};
use syn::{
    Expr, ExprBinary, ExprCall, ExprIf, ExprLit, ExprMacro, ExprMatch, ExprMethodCall, ExprTuple, Lit,
};

/// Methods whose arguments become the value itself.
const VALUE_METHODS: [&str; 9] = [
    "and_then",
    "map",
    "map_or",
    "map_or_else",
    "or",
    "or_else",
    "then",
    "then_some",
    "unwrap_or",
];

/// The names found so far with their lines, and what is against the convention.
#[derive(Default)]
pub(super) struct Names {
    pub(super) names: Vec<(String, usize)>,
    pub(super) faults: Vec<(usize, String)>,
}

impl Names {
    /// Adds every class of a literal.
    pub(super) fn add(&mut self, literal: &str, line: usize) {
        self.names
            .extend(literal.split_whitespace().map(|class| (class.to_owned(), line)));
    }

    /// Collects the names in the value of a class attribute.
    pub(super) fn value(&mut self, expression: &Expr) {
        match expression {
            // `class=("name", condition)`: the second part is data.
            Expr::Tuple(ExprTuple { elems, .. }) if elems.len() == 2 => self.visit_expr(&elems[0]),
            other => self.visit_expr(other),
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_expr_lit(&mut self, literal: &'ast ExprLit) {
        if let Lit::Str(text) = &literal.lit {
            self.add(&text.value(), text.span().start().line);
        }
    }

    fn visit_expr_binary(&mut self, _: &'ast ExprBinary) {}

    fn visit_expr_if(&mut self, branches: &'ast ExprIf) {
        self.visit_block(&branches.then_branch);
        if let Some((_, other)) = &branches.else_branch {
            self.visit_expr(other);
        }
    }

    fn visit_expr_match(&mut self, choice: &'ast ExprMatch) {
        for arm in &choice.arms {
            self.visit_expr(&arm.body);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let Expr::Path(path) = &*call.func else { return };
        let Some(name) = path.path.segments.last().map(|last| &last.ident) else {
            return;
        };
        let text = name.to_string();
        if text == "Some" {
            visit::visit_expr_call(self, call);
        } else if text.starts_with(char::is_lowercase) && !text.ends_with("class") {
            let reason = format!(
                "what `{text}` gives cannot be seen here; a function that gives class names is called `class` or `…_class`"
            );
            self.faults.push((name.span().start().line, reason));
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let takes_values = VALUE_METHODS.iter().any(|name| call.method == name);
        if takes_values || call.args.is_empty() {
            self.visit_expr(&call.receiver);
        }
        if takes_values {
            for argument in &call.args {
                self.visit_expr(argument);
            }
        }
    }

    fn visit_expr_macro(&mut self, found: &'ast ExprMacro) {
        if found
            .mac
            .path
            .segments
            .last()
            .is_some_and(|name| name.ident == "format")
        {
            let line = found.mac.path.segments[0].ident.span().start().line;
            let reason = "a class name put together by format! cannot be checked; write whole names, by `match` or `if`";
            self.faults.push((line, reason.into()));
        }
    }

    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
}
