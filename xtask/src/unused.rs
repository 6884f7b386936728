//! Takes code out of the WebAssembly that the compiler must keep and nothing calls.
//!
//! leptos can hydrate a page at once or asynchronously, for pages that come in pieces; the console's page is hydrated at
//! once. An erased view carries both ways as function pointers, so that no compiler can tell that the second is dead.
//! It is some 6 % of the module's code.

use crate::Result;
use walrus::{FunctionBuilder, FunctionKind, Module};

/// What the symbol of an asynchronous hydration's body contains. Functions inside it have longer names and are left
/// alone: most are short, and the compiler may have folded one with an equal one that is called. A compiler that writes
/// symbols in another way gets a larger module and no harm.
const BODY: &str = "13hydrate_async28_$u7b$$u7b$closure$u7d$$u7d$17h";

/// Puts a trap into the place of each function that hydrates asynchronously, and returns the smaller module and how many
/// functions it was. What only they called goes when the bindings are made. Were one called after all, the browser would
/// name it as `unreachable`.
///
/// # Errors
/// When the module cannot be read.
pub fn without_async_hydration(module: &[u8]) -> Result<(Vec<u8>, usize)> {
    let mut module = Module::from_buffer(module).map_err(|e| format!("the frontend's module: {e:#}"))?;
    let unused: Vec<_> = module
        .funcs
        .iter_local()
        .filter(|(id, _)| {
            let name = module.funcs.get(*id).name.as_deref();
            name.is_some_and(|name| name.contains(BODY))
        })
        .map(|(id, _)| id)
        .collect();
    for id in &unused {
        let (parameters, results) = module.types.params_results(module.funcs.get(*id).ty());
        let (parameters, results) = (parameters.to_vec(), results.to_vec());
        let arguments = parameters.iter().map(|kind| module.locals.add(*kind)).collect();
        let mut trap = FunctionBuilder::new(&mut module.types, &parameters, &results);
        trap.func_body().unreachable();
        module.funcs.get_mut(*id).kind = FunctionKind::Local(trap.local_func(arguments));
    }
    Ok((module.emit_wasm(), unused.len()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use walrus::{ValType, ir::BinaryOp};

    /// Additions in a function that has something to do.
    const STEPS: u64 = 40;

    fn function(module: &mut Module, name: &str) {
        let argument = module.locals.add(ValType::I32);
        let mut builder = FunctionBuilder::new(&mut module.types, &[ValType::I32], &[ValType::I32]);
        builder.name(name.to_owned());
        let mut body = builder.func_body();
        body.local_get(argument);
        for _ in 0..STEPS {
            body.i32_const(1).binop(BinaryOp::I32Add);
        }
        let id = builder.finish(vec![argument], &mut module.funcs);
        module.exports.add(name, id);
    }

    #[test]
    fn only_asynchronous_hydration_becomes_a_trap() {
        let mut module = Module::default();
        let dead = "_ZN3any7IntoAny13hydrate_async28_$u7b$$u7b$closure$u7d$$u7d$17h01E";
        let alive = [
            "_ZN3any7IntoAny7hydrate28_$u7b$$u7b$closure$u7d$$u7d$17h02E",
            "_ZN3any7IntoAny13hydrate_async17h03E",
            "_ZN3any7IntoAny13hydrate_async28_$u7b$$u7b$closure$u7d$$u7d$7inner_117h04E",
            "_ZN4core3ptr9drop_in_place$LT$any..IntoAny..hydrate_async..$u7b$$u7b$closure$u7d$$u7d$$GT$17h05E",
            "_RNCNvXs_NtC3any7IntoAny13hydrate_async0B4_",
        ];
        for name in alive.into_iter().chain([dead]) {
            function(&mut module, name);
        }
        let (smaller, replaced) = without_async_hydration(&module.emit_wasm()).unwrap();
        assert_eq!(replaced, 1);
        let module = Module::from_buffer(&smaller).unwrap();
        let size = |name: &str| {
            let id = module.funcs.by_name(name).unwrap();
            module.funcs.get(id).kind.unwrap_local().size()
        };
        assert_eq!(size(dead), 1);
        assert_eq!(alive.map(size), [1 + 2 * STEPS; 5]);
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(
            without_async_hydration(b"not a module")
                .unwrap_err()
                .contains("frontend")
        );
    }
}
