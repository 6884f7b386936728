//! The two scripts that import each other: `pgsteward.js`, which holds the main module, and the one that loads parts.

use crate::{Result, assets};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The scripts with their final names. Both names carry one hash, over both texts: neither could name the other otherwise.
#[derive(Debug)]
pub struct Scripts {
    /// The name of the module that holds the main module.
    pub js: String,
    /// Its text.
    pub js_text: String,
    /// The name of the module that loads parts.
    pub link: String,
    /// Its text.
    pub link_text: String,
}

/// How a part is fetched: all that an area needs is asked for at once, and each file once.
const FETCH: &str = "\
const all = (loads) => () => Promise.all(loads.map((load) => load()));
const fetched = (name) => () => {
    const answer = fetch(new URL(name, import.meta.url));
    answer.catch(() => {});
    return (imports) => WebAssembly.instantiateStreaming(answer, imports);
};
";

/// Completes `link`, the loading script up to its list of parts, with that list, and gives both scripts their names.
/// `files` are the modules' files, `needs` the modules of each area.
///
/// # Errors
/// When one script does not import the other in the way that wasm-bindgen and the splitter write.
pub fn write(
    js: &str,
    link: &str,
    files: &BTreeMap<String, String>,
    needs: &BTreeMap<String, Vec<String>>,
) -> Result<Scripts> {
    let mut link = format!("{link}{FETCH}");
    for (module, file) in files {
        let _ = writeln!(link, "const of_{module} = makeLoad(fetched(\"./{file}\"), []);");
    }
    for (area, needs) in needs {
        let loads: Vec<String> = needs.iter().map(|module| format!("of_{module}")).collect();
        let _ = writeln!(
            link,
            "export const __wasm_split_load_{area} = wrapAsyncCb(all([{}]));",
            loads.join(", ")
        );
    }
    let hash = assets::hash(format!("{js}{link}").as_bytes());
    let (js_name, link_name) = (format!("pgsteward.{hash}.js"), format!("parts.{hash}.js"));
    Ok(Scripts {
        js_text: importing(js, "__wasm_split.js", &link_name)?,
        link_text: importing(&link, "pgsteward.js", &js_name)?,
        js: js_name,
        link: link_name,
    })
}

/// The script with another name after `from`. The name inside the module, which is a key of its imports, stays.
fn importing(script: &str, old: &str, new: &str) -> Result<String> {
    let quoted = ['\'', '"'].map(|quote| (quote, format!("from {quote}./{old}{quote}")));
    let Some((quote, old)) = quoted.iter().find(|(_, old)| script.contains(old.as_str())) else {
        return Err(format!("a script does not import {old} in the way that is known"));
    };
    Ok(script.replace(old.as_str(), &format!("from {quote}./{new}{quote}")))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn scripts(link: &str) -> Scripts {
        let js =
            "import * as star from './__wasm_split.js';\nconst imports = { './__wasm_split.js': star };\n";
        let files = [
            ("jobs", "jobs.1.wasm"),
            ("shared", "shared.2.wasm"),
            ("audit", "audit.3.wasm"),
        ];
        let needs = [
            ("audit", vec!["audit"]),
            ("jobs", vec!["shared", "jobs"]),
            ("login", vec![]),
        ];
        write(
            js,
            link,
            &files
                .map(|(name, file)| (name.to_owned(), file.to_owned()))
                .into(),
            &needs
                .map(|(area, needs)| (area.to_owned(), needs.into_iter().map(str::to_owned).collect()))
                .into(),
        )
        .unwrap()
    }

    #[test]
    fn the_scripts_import_each_other_by_one_hash_and_each_part_its_own_file() {
        let Scripts {
            js,
            js_text,
            link,
            link_text,
        } = scripts("import { initSync } from \"./pgsteward.js\";\n");
        let hash = js.strip_prefix("pgsteward.").unwrap();
        assert_eq!(link.strip_prefix("parts.").unwrap(), hash);
        assert!(js_text.contains(&format!("from './{link}'")), "{js_text}");
        assert!(
            js_text.contains("{ './__wasm_split.js': star }"),
            "the key inside the module stays"
        );
        assert!(link_text.contains(&format!("from \"./{js}\"")), "{link_text}");
        for line in [
            "const of_shared = makeLoad(fetched(\"./shared.2.wasm\"), []);",
            "export const __wasm_split_load_jobs = wrapAsyncCb(all([of_shared, of_jobs]));",
            "export const __wasm_split_load_audit = wrapAsyncCb(all([of_audit]));",
            "export const __wasm_split_load_login = wrapAsyncCb(all([]));",
        ] {
            assert!(link_text.contains(line), "{line}: {link_text}");
        }
    }

    #[test]
    fn a_change_in_either_script_renames_both() {
        let one = scripts("import { initSync } from \"./pgsteward.js\";\n");
        let other = scripts("import { initSync } from \"./pgsteward.js\";\n\n");
        assert_ne!(one.js, other.js);
        assert_ne!(one.link, other.link);
    }

    #[test]
    fn a_script_that_imports_in_another_way_is_an_error() {
        let error = write("from './__wasm_split.js'", "", &BTreeMap::new(), &BTreeMap::new()).unwrap_err();
        assert!(error.contains("pgsteward.js"), "{error}");
    }
}
